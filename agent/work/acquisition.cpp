#include "agent/work/acquisition.h"

#include <algorithm>

#include "agent/work/addresses.h"
#include "agent/work/listed_sources.h"
#include "agent/work/staging.h"
#include "agent/work/web_seeds.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

std::uint64_t Acquisitions::payload_files(fetchers::Metainfo const& metainfo) {
  auto const payload = [](fetchers::TorrentFile const& file) { return file.payload(); };
  return static_cast<std::uint64_t>(std::count_if(metainfo.files.begin(), metainfo.files.end(), payload));
}

std::uint64_t Acquisitions::symbolic_links(fetchers::Metainfo const& metainfo) {
  auto const link = [](fetchers::TorrentFile const& file) { return file.symlink; };
  return static_cast<std::uint64_t>(std::count_if(metainfo.files.begin(), metainfo.files.end(), link));
}

Acquisitions::Acquisitions(Session& session, Settings const& settings, fetchers::AddressPolicy const& policy,
                           Routes const& routes, Terminal& terminal)
    : session_(session), settings_(settings), policy_(policy), routes_(routes), terminal_(terminal) {}

Acquisitions::~Acquisitions() { interrupt(); }

Acquisitions::Running* Acquisitions::find(std::string const& job) {
  auto const found = running_.find(job);
  return found == running_.end() ? nullptr : &found->second;
}

Result<Begun> Acquisitions::begin(Wanted wanted) {
  Begun begun;
  FileSelection selection = selection_for(wanted);
  begun.held = session_.past().held(wanted.target.hashes, selection_json(selection));
  begun.erased = session_.past().erased(wanted.target.hashes);
  if (begun.held || begun.erased) return begun;
  for (auto& [id, other] : running_)
    if (same_torrent(other.hashes, wanted.target.hashes)) {
      begun.running_already = true;
      begun.attempt = other.attempt;
      IMPOUND_CHECK(named_again(other, wanted));
      return begun;
    }

  OpenAcquisition const* const open = session_.past().open_for(wanted.target.hashes, wanted.metadata_only);
  if (open && wanted.metadata_only && !open->metadata_only) {
    begun.metadata_there = true;  // and the open attempt for the payload stays as it is
    return begun;
  }
  begun.taken_up = open != nullptr;
  IMPOUND_TRY(lane, lane_for(wanted, open));
  bound_sources(wanted, open);
  EntryId attempt = session_.new_id();
  std::uint64_t staged = 0;
  if (open) {
    attempt = open->attempt;
    staged = staged_bytes(session_.disk(), lane->route.name + "/" + attempt.text());
    IMPOUND_CHECK(record_resumption(wanted, *open, *lane, staged));
  } else {
    IMPOUND_TRY(recorded, record_attempt(wanted, *lane, selection_json(selection)));
    attempt = recorded;
  }
  // Beyond this line packets may leave: the attempt is durable.
  begun.attempt = attempt;

  Running running{.attempt = attempt, .lane = *lane, .hashes = wanted.target.hashes, .case_name = wanted.case_name};
  running.number = ++begun_;
  running.begun_us = session_.clock().boot_us();
  running.metadata_only = wanted.metadata_only;
  running.by_person = wanted.by.has_value();
  running.taken_up = begun.taken_up;
  running.staged_bytes = staged;
  if (wanted.cause && !wanted.by) running.cause = wanted.cause->text();
  running.selection = std::move(selection);
  running.torrent_capture = wanted.target.torrent_capture;
  running.torrent_media_type = wanted.target.torrent_media_type;
  if (open) IMPOUND_CHECK(take_up(running, *open));
  running.job = job_for(wanted, attempt, lane->route);
  if (running.metainfo && !running.job.torrent) running.job.hashes = running.metainfo->hashes;
  IMPOUND_CHECK(make_staging_folder(session_.disk(), lane->route.name));
  IMPOUND_CHECK(make_staging_folder(session_.disk(), staging_of(running)));
  Running& added = running_.emplace(attempt.text(), std::move(running)).first->second;
  bool const metadata_suffices = wanted.metadata_only && added.metainfo;
  if (wholly_sealed(added) || metadata_suffices) {
    IMPOUND_CHECK(finish(attempt.text(), {}));  // only the result was missing
    return begun;
  }

  if (wanted.target.torrent && !added.metainfo) {
    auto metainfo = fetchers::read_torrent(*wanted.target.torrent, fetchers::MetainfoLimits{});
    if (!metainfo) {
      IMPOUND_CHECK(finish(attempt.text(), {"metadata_refused", line(metainfo.error()), 0, 0}));
      return begun;
    }
    IMPOUND_CHECK(take_metainfo(added, std::move(metainfo).value(), *wanted.target.torrent, true));
    if (wanted.metadata_only) {
      IMPOUND_CHECK(finish(attempt.text(), {}));
      return begun;
    }
  }
  if (!added.refused_reason.empty()) {
    IMPOUND_CHECK(finish(attempt.text(), {added.refused_reason, added.refused_detail, 0, 0}));
    return begun;
  }
  // A worker that died while it had nothing to do did not die of this torrent.
  IMPOUND_CHECK(hear(std::chrono::milliseconds{0}, -1));
  IMPOUND_CHECK(let_run());
  return begun;
}

/// The way it goes, which takes torrents and reaches the peers that were named.
Result<SwarmLane*> Acquisitions::lane_for(Wanted const& wanted, OpenAcquisition const* open) {
  std::string const name = open != nullptr ? open->route() : wanted.route;
  Route const* const route = routes_.find(name);
  if (route == nullptr)
    return Error{Code::usage, "an attempt at this torrent took the route \"" + shown(name, 64) + "\", which is gone",
                 open != nullptr ? open->attempt.text() : std::string(),
                 "Add it to the settings again: what began by one route does not go on by another"};
  IMPOUND_CHECK(check_torrents_allowed(*route, settings_.file));
  IMPOUND_CHECK(check_peers_reached(*route, wanted.peers));
  return &lanes_.try_emplace(route->name, *route).first->second;
}

/// Hands a job to the worker. What the worker's line does not take is this torrent's failure, not the agent's.
Result<void> Acquisitions::add_to_swarm(std::string const& job) {
  Running* const running = find(job);
  if (running == nullptr) return ok();
  IMPOUND_CHECK(running->lane.start(session_, settings_, policy_));
  running->in_worker = true;
  running->paused = running->chosen = false;
  running->metadata_in_worker = running->job.torrent.has_value();
  running->job.left = files_that_left(*running);
  running->left_bytes = 0;
  auto added = running->lane.swarm->add(running->job);
  if (added || added.error().code == Code::io) return ok();  // io: the worker is gone, and its Ended is on the way
  return finish(job, {"refused_limits", line(added.error()), 0, 0});
}

bool Acquisitions::is_sealed(Running const& running, std::size_t index) {
  if (running.intake.sealed.contains(index)) return true;
  return !running.sealed_before.empty() &&
         running.sealed_before.contains(hex(bytes_of(running.metainfo->files[index].path_bytes)));
}

/// A flag for each file that is no padding.
std::vector<bool> Acquisitions::files_that_left(Running const& running) {
  std::vector<bool> sealed;
  for (std::size_t i = 0; running.metainfo && i < running.metainfo->files.size(); ++i)
    if (!running.metainfo->files[i].pad) sealed.push_back(is_sealed(running, i));
  return sealed;
}

/// Everything the torrent has is in the vault already: a crash fell between the last seal and the result.
bool Acquisitions::wholly_sealed(Running const& running) {
  if (!running.metainfo || running.sealed_before.empty()) return false;
  auto const& files = running.metainfo->files;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!files[i].pad && running.left_out[i].empty() && !is_sealed(running, i)) return false;
  return true;
}

Result<std::size_t> Acquisitions::take_up_open() {
  std::vector<Wanted> wanted;
  std::set<std::string> closed;  // routes that are gone or take no torrents
  for (auto const& [id, open] : session_.past().open_acquisitions()) {
    if (open.by_person) continue;  // theirs to go on with: the peers they named are not in our settings
    Route const* const route = routes_.find(open.route());
    if (route == nullptr || !route->torrents) {
      if (closed.insert(open.route()).second)
        terminal_.say("open acquisitions wait for the route \"" + shown(open.route(), 64) +
                      (route == nullptr ? "\", which is no longer in the settings" : "\", which takes no torrents"));
      continue;
    }
    Wanted one;
    one.target.hashes = open.hashes;
    one.case_name = open.case_name;
    one.cause = open.cause;
    one.timeout = settings_.torrent_timeout;
    one.target.trackers = texts_field(open.body, "trackers");
    one.target.peers = texts_field(open.body, "peers");
    one.target.web_seeds = texts_field(open.body, "web_seeds");
    one.target.http_seeds = texts_field(open.body, "http_seeds");
    if (open.torrent && open.torrent_is_whole) {
      IMPOUND_TRY(bytes, read_whole(session_.disk(), evidence::object_path(*open.torrent),
                                    fetchers::MetainfoLimits{}.bytes_max));
      one.target.torrent = std::move(bytes);
    }
    wanted.push_back(std::move(one));
  }
  std::size_t const count = wanted.size();
  for (Wanted& one : wanted) IMPOUND_CHECK(begin(std::move(one)));
  return count;
}

Result<EntryId> Acquisitions::record_attempt(Wanted const& wanted, SwarmLane const& lane, Json const& selection) {
  TorrentTarget const& target = wanted.target;
  auto const refused = refused_sources(target, lane.route);
  Json body{{"route", lane.route.name},
            {"target", target.torrent ? "torrent" : "magnet"},
            {"limits",
             {{"metadata_bytes_max", fetchers::SwarmLimits{}.metadata_bytes_max},
              {"metadata_timeout_s", settings_.metadata_timeout.count()}}}};
  add_hashes(body, target.hashes);
  if (wanted.metadata_only) body["metadata_only"] = true;
  if (!selection.empty()) body["selection"] = selection;
  if (wanted.timeout) body["limits"]["timeout_s"] = wanted.timeout->count();
  if (!target.trackers.empty()) body["trackers"] = listed(target.trackers);
  add_web_seeds(body, target);
  std::vector<std::string> peers = wanted.peers;
  peers.insert(peers.end(), target.peers.begin(), target.peers.end());
  if (!peers.empty()) body["peers"] = listed(peers);
  if (!refused.empty()) body["addresses_refused"] = listed(refused);
  return session_.recorder().record(
      EntryDraft{"acquisition.attempt", std::move(body), wanted.case_name, wanted.cause, {}, wanted.by, {}});
}

/// Who is asked that the attempt did not name must stand in the log before they are, like the others.
Result<void> Acquisitions::record_resumption(Wanted const& wanted, OpenAcquisition const& open, SwarmLane const& lane,
                                             std::uint64_t staged) {
  auto const known_peers = texts_field(open.body, "peers");
  TorrentTarget added;
  added.trackers = not_listed(wanted.target.trackers, texts_field(open.body, "trackers"));
  added.peers = not_listed(wanted.target.peers, known_peers);
  std::vector<std::string> peers = not_listed(wanted.peers, known_peers);
  auto const refused = refused_sources(added, lane.route);
  peers.insert(peers.end(), added.peers.begin(), added.peers.end());
  Json body{{"route", lane.route.name}, {"staged_bytes", json_number(staged)}};
  added.web_seeds = not_listed(wanted.target.web_seeds, texts_field(open.body, "web_seeds"));
  added.http_seeds = not_listed(wanted.target.http_seeds, texts_field(open.body, "http_seeds"));
  add_web_seeds(body, added);
  if (!added.trackers.empty()) body["trackers"] = listed(added.trackers);
  if (!peers.empty()) body["peers"] = listed(peers);
  if (!refused.empty()) body["addresses_refused"] = listed(refused);
  // The agent goes on by itself with what it began itself; whatever else led here is named.
  auto const cause = wanted.by || wanted.cause == open.cause ? std::nullopt : wanted.cause;
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"acquisition.resumed", std::move(body), open.case_name, cause, open.attempt, wanted.by, {}}));
  return ok();
}

/// An attempt of an earlier run: what it knew of the torrent is in the vault already.
Result<void> Acquisitions::take_up(Running& running, OpenAcquisition const& open) {
  running.case_name = open.case_name;
  running.hashes = open.hashes;  // both, once its metadata was there
  running.sealed_before = open.sealed;
  std::tie(running.parts_before, running.record_before) = std::tie(open.parts, open.swarm_record);
  running.metadata_entry = open.metadata_entry;
  running.selection = selection_of(open.body);  // what the attempt said, whatever the settings say today
  if (!open.metadata_entry || !open.torrent) return ok();
  fetchers::MetainfoLimits const limits;
  IMPOUND_TRY(bytes, read_whole(session_.disk(), evidence::object_path(*open.torrent), limits.bytes_max));
  auto metainfo =
      open.torrent_is_whole ? fetchers::read_torrent(bytes, limits) : fetchers::read_info_dict(bytes, limits);
  // It was read once before it was sealed; if it is unreadable now, the metadata is simply asked for again.
  if (!metainfo) return ok();
  running.metainfo = std::move(metainfo).value();
  running.left_out = why_left_out(running.selection, *running.metainfo);
  count_wanted(running);
  return ok();
}

/// Why this torrent must not be downloaded: the protocol's word and a sentence.
std::optional<std::pair<std::string, std::string>> Acquisitions::why_not(Running const& running) const {
  fetchers::Metainfo const& metainfo = *running.metainfo;
  if (settings_.torrent_bytes_max && metainfo.total_bytes > *settings_.torrent_bytes_max)
    return std::pair{"refused_limits", "the torrent has " + std::to_string(metainfo.total_bytes) +
                                           " bytes, torrents.max_bytes is " +
                                           std::to_string(*settings_.torrent_bytes_max)};
  if (metainfo.files.size() > settings_.torrent_files_max)
    return std::pair{"refused_limits", "the torrent has " + std::to_string(metainfo.files.size()) +
                                           " files, torrents.max_files is " +
                                           std::to_string(settings_.torrent_files_max)};
  if (payload_files(metainfo) == 0)
    return std::pair{
        "refused_limits",
        "all its files are padding, or have the name of padding, or are symbolic links: those are not taken"};
  auto const free = session_.disk().free_bytes();
  std::uint64_t const wanted = running.wanted_bytes;
  // What an earlier run left in staging is counted twice here: asking for too much room is the safe side.
  if (free && free.value() < wanted + settings_.disk_reserve)
    return std::pair{"disk_full", "the torrent has " + bytes_text(wanted) + ", the disk " + bytes_text(free.value()) +
                                      " free, of which limits.disk_reserve keeps " +
                                      bytes_text(settings_.disk_reserve)};
  return std::nullopt;
}

/// Metadata is sealed first and at once, even when the payload must wait or is refused.
Result<void> Acquisitions::take_metainfo(Running& running, fetchers::Metainfo metainfo, std::string_view bytes,
                                         bool whole_torrent) {
  EntryId const exhibit = session_.new_id();
  Json origin{{"type", running.torrent_capture ? "http" : "torrent"}};
  if (running.torrent_capture) origin["capture"] = running.torrent_capture->text();
  add_hashes(origin, metainfo.hashes);
  EntryDraft draft{"exhibit.sealed",
                   {{"role", whole_torrent ? "torrent" : "info_dict"}, {"origin", origin}},
                   running.case_name,
                   running.attempt,
                   running.attempt,
                   {},
                   exhibit};
  if (!running.torrent_media_type.empty()) draft.body["media_type"] = running.torrent_media_type;
  IMPOUND_TRY(sealed, session_.sealing().seal_bytes(bytes_of(bytes), std::move(draft)));
  if (sealed.refused) return *sealed.refused;

  Json matched = Json::array();
  if (running.hashes.v1) matched.push_back("sha1");
  if (running.hashes.v2) matched.push_back("sha256");
  std::uint64_t const files = payload_files(metainfo);
  Json body{{"exhibit", exhibit.text()},
            {"sha256", hex(*sealed.sha256)},
            {"matched", matched},
            {"name_hex", hex(bytes_of(metainfo.name))},
            {"files", files},
            {"bytes", json_number(metainfo.total_bytes)},
            {"pieces", metainfo.pieces},
            {"piece_length", json_number(metainfo.piece_length)}};
  if (metainfo.name.empty()) body.erase("name_hex");
  add_hashes(body, metainfo.hashes);
  IMPOUND_TRY(entry,
              session_.recorder().record(EntryDraft{
                  "acquisition.metadata", std::move(body), running.case_name, exhibit, running.attempt, {}, {}}));
  running.metadata_entry = entry;
  running.hashes = metainfo.hashes;
  terminal_.say("metadata    " + metainfo.name + ": " + std::to_string(files) + " file(s), " +
                bytes_text(metainfo.total_bytes) +
                (running.metadata_after ? ", found after " + duration_text(*running.metadata_after) : ""));
  running.metainfo = std::move(metainfo);
  running.left_out = why_left_out(running.selection, *running.metainfo);
  count_wanted(running);
  if (std::uint64_t const left = files_left_out(running); left > 0)
    terminal_.say("            " + std::to_string(left) + " file(s) are left out by the selection");
  if (std::uint64_t const links = symbolic_links(*running.metainfo); links > 0)
    terminal_.say("            " + std::to_string(links) + " symbolic link(s) are recorded, never created");
  if (auto const why = why_not(running)) std::tie(running.refused_reason, running.refused_detail) = *why;
  return ok();
}

}  // namespace impound::agent
