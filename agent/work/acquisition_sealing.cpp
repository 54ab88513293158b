// The second half of an acquisition: payload into the vault, the file list, the result. See acquisition.h.
#include <algorithm>

#include "agent/service/json_line.h"
#include "agent/work/acquisition.h"
#include "agent/work/staging.h"
#include "agent/work/web_seeds.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t batch_files_max = 1000;
constexpr std::uint64_t batch_bytes_max = 256u << 20;  // beyond the first file, while more comes
constexpr std::int64_t batch_wait_us = 1'000'000;
constexpr std::size_t tried_bytes_max = 16 * 1024;
constexpr std::uint64_t disk_full_below = 64u << 20;

/// A line of the file list; without a digest the file is not there.
Json file_line(std::string const& path_bytes, std::uint64_t index, std::uint64_t size, std::string const& sha256,
               std::string const& exhibit, std::string const& left_out = {}) {
  Json one{{"path", shown(path_bytes, 1000)},
           {"path_hex", hex(bytes_of(path_bytes))},
           {"index", index},
           {"size", size},
           {"sealed", !sha256.empty()}};
  if (!sha256.empty()) one["sha256"] = sha256;
  if (!exhibit.empty()) one["exhibit"] = exhibit;
  if (!left_out.empty()) one["left_out"] = shown(left_out, 500);
  return one;
}

/// Where a link leads is a stranger's text, kept as it stands in the torrent.
Json link_line(fetchers::TorrentFile const& link, std::uint64_t index, std::string const& left_out) {
  Json one = file_line(link.path_bytes, index, 0, "", "", left_out);
  one["symlink"] = shown(link.target_bytes, 1000);
  one["symlink_hex"] = hex(bytes_of(link.target_bytes));
  return one;
}

std::string text_of_line(Json const& line) { return json_line(line) + "\n"; }

}  // namespace

/// Trackers are bounded so that the entry stays small; a URL that was never handed over is the worker's invention.
Json Acquisitions::tried_json(Running const& running) {
  Json trackers = Json::array();
  std::size_t bytes = 0;
  for (fetchers::TriedTracker const& one : running.tried->trackers) {
    auto const& asked = running.job.trackers;
    if (std::find(asked.begin(), asked.end(), one.url) == asked.end()) continue;
    Json row{{"url", shown(one.url, 1000)}, {"answers", one.answers}, {"failures", one.failures}, {"peers", one.peers}};
    if (!one.last.empty()) row["last"] = shown(one.last, 200);
    bytes += json_line(row).size();
    if (trackers.size() == entry_list_max || bytes > tried_bytes_max) break;
    trackers.push_back(std::move(row));
  }
  Json tried{{"peers_known", running.tried->peers_known},
             {"peers_reached", running.tried->peers_reached},
             {"peers_lost", running.tried->peers_lost},
             {"dht", running.tried->dht ? "on" : "off"}};
  if (running.tried->dht) tried["dht_peers"] = running.tried->dht_peers;
  if (!trackers.empty()) tried["trackers"] = std::move(trackers);
  if (Json seeds = tried_web_seeds(running.tried->web_seeds, running.job.web_seeds); !seeds.empty())
    tried["web_seeds"] = std::move(seeds);
  return tried;
}

Result<void> Acquisitions::finish(std::string const& job, SwarmPart ending) {
  Running* const found = find(job);
  if (found == nullptr) return ok();
  Running& running = *found;
  terminal_.clear();
  IMPOUND_TRY(comes_again, lie_by(running, ending));
  if (comes_again) return ok();
  ending.downloaded += running.downloaded_before;

  // Beyond this line the bytes no longer change: the worker has let go of the torrent's files.
  // Only a disk that is full by our own eyes is a reason to hold new work and to give the reserve back.
  auto const free = session_.disk().free_bytes();
  if (ending.reason == "disk_full" && free && free.value() < std::max(settings_.disk_reserve, disk_full_below))
    session_.disk_full("acquiring a torrent");
  IMPOUND_CHECK(take_in_payload(running, Rest::is_over));
  IMPOUND_CHECK(take_held_files(running, std::numeric_limits<std::uint64_t>::max()));
  IMPOUND_CHECK(seal_parts(running));
  IMPOUND_TRY(file_list, seal_file_list(running));
  std::string record_refused;
  IMPOUND_TRY(swarm_record, seal_swarm_record({running.attempt, running.hashes, running.case_name, staging_of(running),
                                               running.record, running.record_before},
                                              record_refused));

  Intake const& intake = running.intake;
  std::uint64_t files_sealed = intake.files;
  std::uint64_t bytes_sealed = intake.bytes;
  for (auto const& [path_hex, before] : running.sealed_before) {
    ++files_sealed;
    bytes_sealed += before.size;
  }
  std::uint64_t const files = running.metainfo ? payload_files(*running.metainfo) : 0;
  bool const only_metadata = running.metadata_only && running.metainfo && ending.reason.empty();
  std::uint64_t const left_out = only_metadata ? 0 : files_left_out(running);
  bool const whole =
      running.metainfo && ending.reason.empty() && files_sealed + left_out == files && intake.refused.empty();
  if (!only_metadata && !whole && ending.reason.empty()) explain(ending, intake, files, files_sealed);
  if (!record_refused.empty()) ending.detail += (ending.detail.empty() ? "" : "; ") + record_refused;
  std::string const state = only_metadata                                 ? "metadata_only"
                            : whole                                       ? "complete"
                            : files_sealed + intake.kept_parts.size() > 0 ? "partial"
                                                                          : "failed";
  Json body{{"state", state},
            {"files", files},
            {"files_sealed", files_sealed},
            {"bytes", json_number(running.metainfo ? running.metainfo->total_bytes : 0)},
            {"bytes_sealed", bytes_sealed},
            {"downloaded_payload_bytes", ending.downloaded},
            {"uploaded_payload_bytes", ending.uploaded}};
  add_hashes(body, running.hashes);
  if (running.tried) body["tried"] = tried_json(running);
  if (!ending.reason.empty()) body["reason"] = ending.reason;
  if (!ending.detail.empty()) body["detail"] = shown(ending.detail, 500);
  if (left_out > 0) body["files_left_out"] = left_out;
  if (!intake.kept_parts.empty()) body["files_in_part"] = intake.kept_parts.size();
  if (std::uint64_t const links = running.metainfo ? symbolic_links(*running.metainfo) : 0; links > 0)
    body["symbolic_links"] = links;
  if (file_list) body["file_list"] = file_list->text();
  if (swarm_record) body["swarm_record"] = swarm_record->text();
  if (running.metadata_entry) body["metadata"] = running.metadata_entry->text();
  IMPOUND_TRY(result, session_.recorder().record(EntryDraft{
                          "acquisition.result", std::move(body), running.case_name, {}, running.attempt, {}, {}}));
  IMPOUND_CHECK(tell_refused(running, result));

  session_.past().close(running.attempt);
  if (state == "complete" && left_out > 0) {
    session_.past().mark_held_in_part(running.hashes, selection_json(running.selection), result);
  } else if (state == "complete") {
    session_.past().mark_held(running.hashes, result);
    IMPOUND_CHECK(close_others(running.hashes, result));
  }
  outcomes_.push_back({running.hashes, running.metainfo ? running.metainfo->name : std::string(), state, ending.reason,
                       ending.detail, result, files, files_sealed, bytes_sealed, ending.uploaded, left_out,
                       running.goes_on_as, running.attempt});
  if (!whole && !only_metadata) add_missing(running, outcomes_.back());
  std::string const folder = staging_of(running);
  Running const ended = std::move(running);
  ended.lane.revival.end(job, session_.clock().boot_us());
  running_.erase(job);
  remove_staging_folder(session_.disk(), folder);
  return state == "complete" ? end_same(ended.hashes, ended.selection, ended.attempt) : ok();
}

/// The worker said that it is done, and it is not: no result that lacks something stays without its reason.
void Acquisitions::explain(SwarmPart& ending, Intake const& intake, std::uint64_t files, std::uint64_t files_sealed) {
  ending.reason = intake.wrong ? "hash_failures" : "worker_ended";
  ending.detail = "the swarm worker said that it is done, but ";
  if (files == 0)
    ending.detail += "gave no metadata";
  else
    ending.detail += std::to_string(files_sealed) + " of " + std::to_string(files) + " file(s) could be sealed; " +
                     (intake.refused.empty() ? "the others it did not announce" : intake.refused.front());
}

/// Files that are whole are sealed while the rest still comes. A second is waited for more of them, so that many small
/// ones share their syncs. Between two batches the workers are heard.
Result<void> Acquisitions::take_in_payload(Running& running, Rest rest) {
  Intake const& intake = running.intake;
  if (!running.metainfo || (intake.whole.empty() && intake.reached.empty() && !intake.check)) return ok();
  IMPOUND_CHECK(hold_against_torrent(running, rest));
  return seal_judged(running, rest);
}

Result<void> Acquisitions::seal_judged(Running& running, Rest rest) {
  Intake& intake = running.intake;
  std::int64_t const now = session_.clock().boot_us();
  while (!intake.whole.empty() && intake.whole.begin()->first < intake.check->judged()) {
    std::vector<fetchers::FileDone> batch;
    std::uint64_t bytes = 0;
    bool full = false;
    for (auto const& [index, done] : intake.whole) {
      if (index >= intake.check->judged() || full) break;
      batch.push_back(done);
      bytes += done.size;
      full = batch.size() == batch_files_max || (rest == Rest::comes && bytes >= batch_bytes_max);
    }
    if (intake.judged_us == 0) intake.judged_us = now;
    if (rest == Rest::comes && !full && now - intake.judged_us < batch_wait_us) return ok();
    for (fetchers::FileDone const& done : batch) intake.whole.erase(done.index);
    IMPOUND_CHECK(seal_batch(running, batch));
    intake.judged_us = 0;
    if (rest == Rest::comes) return ok();
    terminal_.status("sealing  " + std::to_string(intake.files) + " files");
  }
  return ok();
}

/// Of a file's exhibit.
Json Acquisitions::origin_of(Running& running, std::size_t index) {
  fetchers::TorrentFile const& file = running.metainfo->files[index];
  Json origin{{"type", "torrent"},
              {"path", shown(file.path_bytes, 1000)},
              {"path_hex", hex(bytes_of(file.path_bytes))},
              {"index", index}};
  add_hashes(origin, running.hashes);
  if (file.pieces_root) origin["pieces_root"] = hex(*file.pieces_root);
  Intake& intake = running.intake;
  if (intake.pieces.empty()) intake.pieces = fetchers::piece_ranges(*running.metainfo);
  if (auto const& pieces = intake.pieces[index]) origin["pieces"] = {{"first", pieces->first}, {"last", pieces->last}};
  return origin;
}

std::string Acquisitions::taken_line(fetchers::TorrentFile const& file, std::uint64_t index,
                                     evidence::SealedFile const& sealed, EntryId const& from) {
  Json one = file_line(file.path_bytes, index, file.size, hex(*sealed.sha256), sealed.exhibit->text());
  one["taken_from"] = from.text();
  return text_of_line(one);
}

Result<void> Acquisitions::seal_batch(Running& running, std::vector<fetchers::FileDone> const& batch) {
  Intake& intake = running.intake;
  std::vector<evidence::ToSeal> files;
  std::vector<fetchers::FileDone const*> of;
  for (fetchers::FileDone const& done : batch) {
    fetchers::CheckedFile const& checked = intake.check->files()[done.index];
    auto hashed = intake.hashed.extract(done.index);
    if (std::string const problem = problem_of(running, done); !problem.empty()) {
      intake.wrong |= checked.wrong;
      intake.refused.push_back(done.path_bytes + ": " + problem);
      continue;
    }
    Json origin = origin_of(running, done.index);
    if (checked.pieces_unchecked > 0) origin["pieces_unchecked"] = checked.pieces_unchecked;
    EntryDraft draft{"exhibit.sealed",  {{"role", "payload"}, {"origin", origin}},
                     running.case_name, running.metadata_entry,
                     running.attempt,   {},
                     session_.new_id()};
    files.push_back({staging_path(staging_of(running)) + "/" + done.staged_path, done.size, checked.sha256,
                     std::move(draft), hashed ? std::move(hashed.mapped()) : nullptr});
    of.push_back(&done);
  }
  auto sealed = session_.sealing().seal(files);
  if (!sealed) {
    // The plan stays, and the next run carries it on: no result is written while files are still under way.
    if (sealed.error().code == Code::no_space) session_.disk_full("sealing the files of a torrent");
    return std::move(sealed).error();
  }
  for (std::size_t i = 0; i < of.size(); ++i) {
    evidence::SealedFile const& file = sealed.value()[i];
    if (file.refused) {
      intake.refused.push_back(of[i]->path_bytes + ": " + line(*file.refused));
      continue;
    }
    ++intake.files;
    intake.bytes += of[i]->size;
    running.left_bytes += of[i]->size;
    running.staged_bytes -= std::min(running.staged_bytes, of[i]->size);
    running.wanted_bytes -= std::min(running.wanted_bytes, of[i]->size);
    intake.sealed.emplace(of[i]->index, *file.sha256);
    intake.lines +=
        text_of_line(file_line(of[i]->path_bytes, of[i]->index, of[i]->size, hex(*file.sha256), file.exhibit->text()));
  }
  return ok();
}

/// A line for each file of the torrent: those sealed now, then those of an earlier run and those that are not there.
Result<std::optional<EntryId>> Acquisitions::seal_file_list(Running const& running) {
  std::string lines = running.intake.lines;
  for (std::size_t i = 0; running.metainfo && i < running.metainfo->files.size(); ++i) {
    fetchers::TorrentFile const& file = running.metainfo->files[i];
    if (file.symlink) {
      lines += text_of_line(link_line(file, i, running.left_out[i]));
      continue;
    }
    if (file.pad_by_name)
      lines += text_of_line(file_line(file.path_bytes, i, file.size, "", "", "its name is that of padding"));
    auto const part = running.intake.kept_parts.find(i);
    if (file.pad || (part == running.intake.kept_parts.end() && running.intake.sealed.contains(i))) continue;
    auto const before = running.sealed_before.find(hex(bytes_of(file.path_bytes)));
    Json one = before == running.sealed_before.end()
                   ? file_line(file.path_bytes, i, file.size, "", "", running.left_out[i])
                   : file_line(file.path_bytes, i, file.size, before->second.sha256, before->second.exhibit);
    if (before != running.sealed_before.end() && !before->second.taken_from.empty())
      one["taken_from"] = before->second.taken_from;
    if (part != running.intake.kept_parts.end()) one["part"] = part->second;
    lines += text_of_line(one);
  }
  if (lines.empty()) return std::optional<EntryId>{};
  EntryId const exhibit = session_.new_id();
  Json origin{{"type", "torrent"}};
  add_hashes(origin, running.hashes);
  EntryDraft draft{"exhibit.sealed",
                   {{"role", "file_list"}, {"media_type", "application/vnd.impound.files+jsonl"}, {"origin", origin}},
                   running.case_name,
                   running.attempt,
                   running.attempt,
                   {},
                   exhibit};
  auto sealed = session_.sealing().seal_bytes(bytes_of(lines), std::move(draft));
  if (!sealed && sealed.error().code != Code::no_space) return std::move(sealed).error();
  if (!sealed) session_.disk_full("sealing the file list of a torrent");
  // A full disk must not keep the result from being told; the entries of the files themselves say what the list would.
  if (!sealed || sealed.value().refused) return std::optional<EntryId>{};
  return std::optional{exhibit};
}

}  // namespace impound::agent
