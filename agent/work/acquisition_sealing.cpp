// The second half of an acquisition: payload into the vault, the file list, the result. See acquisition.h.
#include <algorithm>

#include "agent/work/acquisition.h"
#include "agent/work/staging.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t batch_files_max = 1000;
constexpr std::size_t tried_bytes_max = 16 * 1024;
constexpr std::uint64_t disk_full_below = 64u << 20;
constexpr std::size_t incidents_max = 20;  // told one by one, of one acquisition

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
    bytes += row.dump(-1, ' ', false, Json::error_handler_t::replace).size();
    if (trackers.size() == entry_list_max || bytes > tried_bytes_max) break;
    trackers.push_back(std::move(row));
  }
  Json tried{{"peers_known", running.tried->peers_known},
             {"peers_reached", running.tried->peers_reached},
             {"peers_lost", running.tried->peers_lost},
             {"dht", running.tried->dht ? "on" : "off"}};
  if (running.tried->dht) tried["dht_peers"] = running.tried->dht_peers;
  if (!trackers.empty()) tried["trackers"] = std::move(trackers);
  return tried;
}

Result<void> Acquisitions::finish(std::string const& job, SwarmPart ending) {
  Running* const found = find(job);
  if (found == nullptr) return ok();
  Running& running = *found;
  terminal_.clear();

  // Beyond this line the bytes no longer change: the worker has let go of the torrent's files.
  // Only a disk that is full by our own eyes is a reason to hold new work and to give the reserve back.
  auto const free = session_.disk().free_bytes();
  if (ending.reason == "disk_full" && free && free.value() < std::max(settings_.disk_reserve, disk_full_below))
    session_.disk_full("acquiring a torrent");
  IMPOUND_TRY(kept, seal_payload(running));
  IMPOUND_TRY(file_list, seal_file_list(running, kept));

  std::uint64_t const files = running.metainfo ? payload_files(*running.metainfo) : 0;
  bool const only_metadata = running.metadata_only && running.metainfo && ending.reason.empty();
  std::uint64_t const left_out = only_metadata ? 0 : files_left_out(running);
  bool const whole =
      running.metainfo && ending.reason.empty() && kept.files + left_out == files && kept.refused.empty();
  if (!only_metadata && !whole && ending.reason.empty()) explain(ending, kept, files);
  std::string const state = only_metadata    ? "metadata_only"
                            : whole          ? "complete"
                            : kept.files > 0 ? "partial"
                                             : "failed";
  Json body{{"state", state},
            {"files", files},
            {"files_sealed", kept.files},
            {"bytes", json_number(running.metainfo ? running.metainfo->total_bytes : 0)},
            {"bytes_sealed", kept.bytes},
            {"downloaded_payload_bytes", ending.downloaded},
            {"uploaded_payload_bytes", ending.uploaded}};
  add_hashes(body, running.hashes);
  if (running.tried) body["tried"] = tried_json(running);
  if (!ending.reason.empty()) body["reason"] = ending.reason;
  if (!ending.detail.empty()) body["detail"] = shown(ending.detail, 500);
  if (left_out > 0) body["files_left_out"] = left_out;
  if (file_list) body["file_list"] = file_list->text();
  if (running.metadata_entry) body["metadata"] = running.metadata_entry->text();
  IMPOUND_TRY(result, session_.recorder().record(EntryDraft{
                          "acquisition.result", std::move(body), running.case_name, {}, running.attempt, {}, {}}));
  std::size_t const refused = kept.refused.size();
  for (std::size_t i = 0; i < std::min(refused, incidents_max); ++i) {
    std::string why = kept.refused[i];
    if (i + 1 == incidents_max && refused > incidents_max)
      why = "and " + std::to_string(refused - i) + " more, the first of them: " + why;
    IMPOUND_CHECK(session_.recorder().record(
        EntryDraft{"incident.raised",
                   {{"what", "a file of an acquisition could not be sealed"}, {"detail", shown(why, 500)}},
                   running.case_name,
                   result,
                   {},
                   {},
                   {}}));
  }

  session_.past().close(running.attempt);
  if (state == "complete" && left_out > 0) {
    session_.past().mark_held_in_part(running.hashes, selection_json(running.selection), result);
  } else if (state == "complete") {
    session_.past().mark_held(running.hashes, result);
    IMPOUND_CHECK(close_others(running.hashes, result));
  }
  outcomes_.push_back({running.hashes, running.metainfo ? running.metainfo->name : std::string(), state, ending.reason,
                       ending.detail, result, files, kept.files, kept.bytes, ending.uploaded,
                       running.web_seeds_set_aside, left_out, running.goes_on_as});
  std::string const folder = staging_of(running);
  Running const ended = std::move(running);
  ended.lane.revival.end(job, session_.clock().boot_us());
  running_.erase(job);
  remove_staging_folder(session_.disk(), folder);
  return state == "complete" ? end_same(ended.hashes, ended.selection, ended.attempt) : ok();
}

/// The worker said that it is done, and it is not: no result that lacks something stays without its reason.
void Acquisitions::explain(SwarmPart& ending, Kept const& kept, std::uint64_t files) {
  ending.reason = kept.wrong ? "hash_failures" : "worker_ended";
  ending.detail = "the swarm worker said that it is done, but ";
  if (files == 0)
    ending.detail += "gave no metadata";
  else
    ending.detail += std::to_string(kept.files) + " of " + std::to_string(files) + " file(s) could be sealed; " +
                     (kept.refused.empty() ? "the others it did not announce" : kept.refused.front());
}

/// Attempts for the same torrent that earlier runs left open: nothing is left for them to do.
Result<void> Acquisitions::close_others(InfoHashes const& hashes, EntryId const& completed_by) {
  struct Other {
    std::optional<CaseName> case_name;
    Route const* route;
  };
  std::map<EntryId, Other> others;
  for (auto const& [attempt, open] : session_.past().open_acquisitions())
    if (same_torrent(open.hashes, hashes)) others.emplace(attempt, Other{open.case_name, routes_.find(open.route())});
  for (auto const& [attempt, other] : others) {
    Json body{
        {"state", "failed"}, {"reason", "cancelled"}, {"detail", "another acquisition of this torrent is complete"}};
    for (char const* count :
         {"files", "files_sealed", "bytes", "bytes_sealed", "downloaded_payload_bytes", "uploaded_payload_bytes"})
      body[count] = 0;
    add_hashes(body, hashes);
    IMPOUND_CHECK(session_.recorder().record(
        EntryDraft{"acquisition.result", std::move(body), other.case_name, completed_by, attempt, {}, {}}));
    session_.past().close(attempt);
    if (other.route != nullptr) remove_staging_folder(session_.disk(), other.route->name + "/" + attempt.text());
  }
  return ok();
}

Result<Acquisitions::Kept> Acquisitions::seal_payload(Running const& running) {
  Kept kept;
  if (running.metainfo) kept.pieces = fetchers::piece_ranges(*running.metainfo);
  IMPOUND_TRY(checked, check_payload(running));
  kept.checked = std::move(checked);
  for (auto const& [path_hex, before] : running.sealed_before) {
    ++kept.files;
    kept.bytes += before.size;
  }
  std::span<fetchers::FileDone const> left{running.files_done};
  while (!left.empty()) {
    auto const batch = left.first(std::min(batch_files_max, left.size()));
    IMPOUND_CHECK(seal_batch(running, batch, kept));
    left = left.subspan(batch.size());
    terminal_.status("sealing  " + std::to_string(kept.files) + " of " + std::to_string(running.files_done.size()) +
                     " files");
  }
  return kept;
}

Result<void> Acquisitions::seal_batch(Running const& running, std::span<fetchers::FileDone const> batch, Kept& kept) {
  std::vector<evidence::ToSeal> files;
  std::vector<fetchers::FileDone const*> of;
  for (fetchers::FileDone const& done : batch) {
    std::string const path_hex = hex(bytes_of(done.path_bytes));
    if (running.sealed_before.contains(path_hex)) continue;  // an earlier run sealed it and logged it
    Json origin{
        {"type", "torrent"}, {"path", shown(done.path_bytes, 1000)}, {"path_hex", path_hex}, {"index", done.index}};
    add_hashes(origin, running.hashes);
    if (!known(running, done) || !kept.announced.insert(done.index).second) {
      kept.refused.push_back("the worker announced file " + std::to_string(done.index) + " as " + done.path_bytes +
                             ", which is not what the metadata says, not chosen, or announced before");
      continue;
    }
    Checked const& checked = kept.checked[done.index];
    if (!checked.problem.empty()) {
      kept.wrong |= checked.file.wrong;
      kept.refused.push_back(done.path_bytes + ": " + checked.problem);
      continue;
    }
    if (checked.file.pieces_unchecked > 0) origin["pieces_unchecked"] = checked.file.pieces_unchecked;
    if (auto const& pieces = kept.pieces[done.index])
      origin["pieces"] = {{"first", pieces->first}, {"last", pieces->last}};
    EntryDraft draft{"exhibit.sealed",  {{"role", "payload"}, {"origin", origin}},
                     running.case_name, running.metadata_entry,
                     running.attempt,   {},
                     session_.new_id()};
    files.push_back(
        {staging_path(staging_of(running)) + "/" + done.staged_path, done.size, checked.file.sha256, std::move(draft)});
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
      kept.refused.push_back(of[i]->path_bytes + ": " + line(*file.refused));
      continue;
    }
    ++kept.files;
    kept.bytes += of[i]->size;
    kept.listed.insert(of[i]->index);
    Json const line_of_file =
        file_line(of[i]->path_bytes, of[i]->index, of[i]->size, hex(*file.sha256), file.exhibit->text());
    kept.lines += line_of_file.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return ok();
}

/// A line for each file of the torrent: those sealed now, then those of an earlier run and those that are not there.
Result<std::optional<EntryId>> Acquisitions::seal_file_list(Running const& running, Kept const& kept) {
  std::string lines = kept.lines;
  for (std::size_t i = 0; running.metainfo && i < running.metainfo->files.size(); ++i) {
    fetchers::TorrentFile const& file = running.metainfo->files[i];
    if (file.pad_by_name)
      lines += file_line(file.path_bytes, i, file.size, "", "", "its name is that of padding").dump() + "\n";
    if (file.pad || kept.listed.contains(i)) continue;
    auto const before = running.sealed_before.find(hex(bytes_of(file.path_bytes)));
    Json const one = before == running.sealed_before.end()
                         ? file_line(file.path_bytes, i, file.size, "", "", running.left_out[i])
                         : file_line(file.path_bytes, i, file.size, before->second.sha256, before->second.exhibit);
    lines += one.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
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
