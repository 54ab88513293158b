#include "agent/work/acquisition.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "agent/work/addresses.h"
#include "agent/work/staging.h"
#include "evidence/formats/hex.h"
#include "evidence/reserve.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t listed_max = 50;  // no entry holds a longer list
constexpr unsigned deaths_max = 3;

std::string worker_program() {
  char path[4096];
  ssize_t const length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  std::string const own = length > 0 ? std::string(path, static_cast<std::size_t>(length)) : "./impound";
  return own.substr(0, own.rfind('/') + 1) + "impound-swarm-worker";
}

Json listed(std::vector<std::string> const& texts) {
  Json list = Json::array();
  for (std::string const& text : texts) {
    if (list.size() == listed_max) break;
    list.push_back(shown(text, 2000));
  }
  return list;
}

}  // namespace

Acquisitions::Acquisitions(Session& session, Settings const& settings, fetchers::AddressPolicy const& policy,
                           Terminal& terminal)
    : session_(session), settings_(settings), policy_(policy), terminal_(terminal) {}

Acquisitions::~Acquisitions() { interrupt(); }

Acquisitions::Running* Acquisitions::find(std::string const& job) {
  auto const found = running_.find(job);
  return found == running_.end() ? nullptr : &found->second;
}

Result<Begun> Acquisitions::begin(Wanted wanted) {
  Begun begun;
  begun.held = session_.past().held(wanted.target.hashes);
  if (begun.held) return begun;
  for (auto const& [id, other] : running_)
    if (same_torrent(other.hashes, wanted.target.hashes)) {
      begun.running_already = true;
      return begun;
    }

  OpenAcquisition const* const open = session_.past().open_for(wanted.target.hashes);
  begun.taken_up = open != nullptr;
  std::vector<std::string> refused;
  if (!open)
    (void)job_for(wanted, session_.new_id(), refused);  // what the address table refuses belongs in the attempt
  EntryId attempt = session_.new_id();
  if (open) {
    attempt = open->attempt;
  } else {
    IMPOUND_TRY(recorded, record_attempt(wanted, refused));
    attempt = recorded;
  }

  Running running{attempt,
                  wanted.target.hashes,
                  wanted.case_name,
                  {},
                  {},
                  {},
                  {},
                  {},
                  0,
                  {},
                  wanted.metadata_only,
                  0,
                  {},
                  {},
                  wanted.target.web_seeds.size(),
                  wanted.target.torrent_capture,
                  {}};
  if (open) IMPOUND_CHECK(take_up(running, *open));
  running.job = job_for(wanted, attempt, refused);
  if (running.metainfo && !running.job.torrent) running.job.hashes = running.metainfo->hashes;
  IMPOUND_CHECK(make_staging_folder(session_.disk(), running.job.folder));
  auto [at, fresh] = running_.emplace(attempt.text(), std::move(running));

  if (wanted.target.torrent && !at->second.metainfo) {
    auto metainfo = fetchers::read_torrent(*wanted.target.torrent, fetchers::MetainfoLimits{});
    if (!metainfo) {
      IMPOUND_CHECK(finish(attempt.text(), {"metadata_refused", line(metainfo.error()), 0, 0}));
      return begun;
    }
    IMPOUND_CHECK(take_metainfo(at->second, std::move(metainfo).value(), *wanted.target.torrent, true));
    if (!at->second.refused_reason.empty()) {
      IMPOUND_CHECK(finish(attempt.text(), {at->second.refused_reason, at->second.refused_detail, 0, 0}));
      return begun;
    }
    if (wanted.metadata_only) {
      IMPOUND_CHECK(finish(attempt.text(), {}));
      return begun;
    }
  }
  IMPOUND_CHECK(start_swarm());
  if (auto added = swarm_->add(at->second.job); !added && added.error().code != Code::io)
    return std::move(added).error();
  return begun;
}

Result<std::size_t> Acquisitions::take_up_open() {
  std::vector<Wanted> wanted;
  for (auto const& [id, open] : session_.past().open_acquisitions()) {
    if (open.by_person) continue;  // theirs to go on with: the peers they named are not in our settings
    Wanted one;
    one.target.hashes = open.hashes;
    one.case_name = open.case_name;
    one.timeout = settings_.torrent_timeout;
    one.target.trackers = texts_field(open.body, "trackers");
    one.target.peers = texts_field(open.body, "peers");
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

Result<EntryId> Acquisitions::record_attempt(Wanted const& wanted, std::vector<std::string> const& refused) {
  TorrentTarget const& target = wanted.target;
  Json body{{"route", "direct"},
            {"target", target.torrent ? "torrent" : "magnet"},
            {"web_seeds_set_aside", target.web_seeds.size()},
            {"limits",
             {{"metadata_bytes_max", fetchers::SwarmLimits{}.metadata_bytes_max},
              {"metadata_timeout_s", settings_.metadata_timeout.count()}}}};
  add_hashes(body, target.hashes);
  if (wanted.timeout) body["limits"]["timeout_s"] = wanted.timeout->count();
  if (!target.trackers.empty()) body["trackers"] = listed(target.trackers);
  std::vector<std::string> peers = wanted.peers;
  peers.insert(peers.end(), target.peers.begin(), target.peers.end());
  if (!peers.empty()) body["peers"] = listed(peers);
  if (!refused.empty()) body["addresses_refused"] = listed(refused);
  return session_.recorder().record(
      EntryDraft{"acquisition.attempt", std::move(body), wanted.case_name, wanted.cause, {}, wanted.by, {}});
}

/// An attempt of an earlier run: what it knew of the torrent is in the vault already.
Result<void> Acquisitions::take_up(Running& running, OpenAcquisition const& open) {
  running.case_name = open.case_name;
  running.sealed_before = open.sealed_paths;
  running.sealed_before_bytes = open.sealed_bytes;
  running.metadata_entry = open.metadata_entry;
  if (!open.metadata_entry || !open.torrent) return ok();
  fetchers::MetainfoLimits const limits;
  IMPOUND_TRY(bytes, read_whole(session_.disk(), evidence::object_path(*open.torrent), limits.bytes_max));
  auto metainfo =
      open.torrent_is_whole ? fetchers::read_torrent(bytes, limits) : fetchers::read_info_dict(bytes, limits);
  // It was read once before it was sealed; if it is unreadable now, the metadata is simply asked for again.
  if (metainfo) running.metainfo = std::move(metainfo).value();
  return ok();
}

fetchers::SwarmJob Acquisitions::job_for(Wanted const& wanted, EntryId const& attempt,
                                         std::vector<std::string>& refused) const {
  fetchers::SwarmJob job;
  job.id = attempt.text();
  job.folder = attempt.text();
  job.hashes = wanted.target.hashes;
  job.torrent = wanted.target.torrent;
  job.metadata_only = wanted.metadata_only;
  job.metadata_timeout_s = static_cast<std::uint64_t>(settings_.metadata_timeout.count());
  if (wanted.timeout) job.idle_timeout_s = static_cast<std::uint64_t>(wanted.timeout->count());
  for (std::string const& tracker : wanted.target.trackers) {
    if (auto allowed = tracker_allowed(tracker, policy_); !allowed)
      refused.push_back(tracker);
    else
      job.trackers.push_back(tracker);
  }
  for (std::string const& peer : wanted.peers)
    for (fetchers::PeerAddress& address : resolve_peer(peer, policy_, true)) job.peers.push_back(std::move(address));
  for (std::string const& peer : wanted.target.peers) {
    auto addresses = resolve_peer(peer, policy_, false);
    if (addresses.empty()) refused.push_back(peer);
    for (fetchers::PeerAddress& address : addresses) job.peers.push_back(std::move(address));
  }
  return job;
}

Result<void> Acquisitions::start_swarm() {
  if (swarm_) return ok();
  int const folder =
      ::openat(session_.vault().disk().folder(), "staging/swarm", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return from_errno(errno, "cannot open the folder", session_.vault().path() + "/staging/swarm");
  fetchers::SwarmSettings swarm{worker_program(),     folder, blocked_rules(policy_), allowed_rules(policy_),
                                settings_.user_agent, {}};
  swarm.limits.payload_bytes_max = settings_.torrent_bytes_max;
  swarm.limits.files_max = settings_.torrent_files_max;
  auto started = fetchers::Swarm::start(std::move(swarm));
  ::close(folder);
  if (!started) return std::move(started).error();
  swarm_ = std::move(started).value();
  spdlog::info("worker=swarm pid={} event=started", swarm_->worker());
  return ok();
}

Result<void> Acquisitions::pump(std::chrono::milliseconds wait, int wake_descriptor) {
  if (!swarm_) return ok();
  IMPOUND_TRY(event, swarm_->next(wait, wake_descriptor));
  while (event) {
    IMPOUND_CHECK(handle(std::move(*event)));
    if (!swarm_) break;
    IMPOUND_TRY(more, swarm_->next(std::chrono::milliseconds{0}, -1));
    event = std::move(more);
  }
  show_progress();
  return ok();
}

Result<void> Acquisitions::handle(fetchers::SwarmEvent event) {
  return std::visit([this](auto const& one) { return on(one); }, event);
}

Result<void> Acquisitions::on(fetchers::MetadataReceived const& event) {
  Running* const running = find(event.job);
  if (running == nullptr || running->metainfo) return ok();
  auto metainfo = fetchers::read_info_dict(event.info, fetchers::MetainfoLimits{});
  if (!metainfo) {
    running->refused_reason = "metadata_refused";
    running->refused_detail = line(metainfo.error());
    return swarm_->remove(event.job);
  }
  IMPOUND_CHECK(take_metainfo(*running, std::move(metainfo).value(), event.info, false));
  if (!running->refused_reason.empty()) return swarm_->remove(event.job);
  return ok();
}

/// Why this torrent must not be downloaded: the protocol's word and a sentence.
std::optional<std::pair<std::string, std::string>> Acquisitions::why_not(fetchers::Metainfo const& metainfo) const {
  if (settings_.torrent_bytes_max && metainfo.total_bytes > *settings_.torrent_bytes_max)
    return std::pair{"refused_limits", "the torrent has " + std::to_string(metainfo.total_bytes) +
                                           " bytes, torrents.max_bytes is " +
                                           std::to_string(*settings_.torrent_bytes_max)};
  if (metainfo.files.size() > settings_.torrent_files_max)
    return std::pair{"refused_limits", "the torrent has " + std::to_string(metainfo.files.size()) +
                                           " files, torrents.max_files is " +
                                           std::to_string(settings_.torrent_files_max)};
  auto const free = session_.disk().free_bytes();
  // What an earlier run left in staging is counted twice here: asking for too much room is the safe side.
  if (free && free.value() < metainfo.total_bytes + settings_.disk_reserve)
    return std::pair{"disk_full", "the torrent has " + bytes_text(metainfo.total_bytes) + ", the disk " +
                                      bytes_text(free.value()) + " free, of which limits.disk_reserve keeps " +
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
                   {{"role", whole_torrent ? "torrent" : "info_dict"},
                    {"media_type", "application/x-bittorrent"},
                    {"origin", origin}},
                   running.case_name,
                   running.attempt,
                   running.attempt,
                   {},
                   exhibit};
  IMPOUND_TRY(sealed, session_.sealing().seal_bytes(bytes_of(bytes), std::move(draft)));
  if (sealed.refused) return *sealed.refused;

  Json matched = Json::array();
  if (running.hashes.v1) matched.push_back("sha1");
  if (running.hashes.v2) matched.push_back("sha256");
  if (!metainfo.web_seeds.empty()) running.web_seeds_set_aside = metainfo.web_seeds.size();
  std::size_t const files = static_cast<std::size_t>(
      std::count_if(metainfo.files.begin(), metainfo.files.end(), [](auto const& f) { return !f.pad; }));
  Json body{{"exhibit", exhibit.text()},
            {"sha256", hex(*sealed.sha256)},
            {"matched", matched},
            {"name_hex", hex(bytes_of(metainfo.name))},
            {"files", files},
            {"bytes", json_number(metainfo.total_bytes)},
            {"pieces", metainfo.pieces},
            {"piece_length", json_number(metainfo.piece_length)},
            {"web_seeds_set_aside", running.web_seeds_set_aside}};
  if (metainfo.name.empty()) body.erase("name_hex");
  add_hashes(body, metainfo.hashes);
  IMPOUND_TRY(entry,
              session_.recorder().record(EntryDraft{
                  "acquisition.metadata", std::move(body), running.case_name, exhibit, running.attempt, {}, {}}));
  running.metadata_entry = entry;
  running.metadata_exhibit = exhibit;
  running.hashes = metainfo.hashes;
  terminal_.say("metadata    " + metainfo.name + ": " + std::to_string(files) + " file(s), " +
                bytes_text(metainfo.total_bytes));
  if (running.web_seeds_set_aside > 0)
    terminal_.say("            " + std::to_string(running.web_seeds_set_aside) +
                  " web seed(s) recorded, not used: this version downloads from peers only");
  if (auto const why = why_not(metainfo)) std::tie(running.refused_reason, running.refused_detail) = *why;
  running.metainfo = std::move(metainfo);
  return ok();
}

Result<void> Acquisitions::on(fetchers::Progress const& event) {
  spdlog::debug("job={} state={} downloaded={} total={} rate={} peers={}", event.job, event.state, event.downloaded,
                event.total, event.rate, event.peers);
  if (Running* const running = find(event.job)) running->progress = event;
  return ok();
}

Result<void> Acquisitions::on(fetchers::FileDone const& event) {
  if (Running* const running = find(event.job)) running->files_done.push_back(event);
  return ok();
}

Result<void> Acquisitions::on(fetchers::Done const& event) {
  return finish(event.job, {"", "", event.downloaded_payload, event.uploaded_payload});
}

Result<void> Acquisitions::on(fetchers::Failed const& event) {
  Running const* const running = find(event.job);
  if (running == nullptr) return ok();
  bool const ours = !running->refused_reason.empty();
  return finish(event.job, {ours ? running->refused_reason : event.reason,
                            ours ? running->refused_detail : event.detail, event.downloaded, event.uploaded});
}

Result<void> Acquisitions::on(fetchers::Incident const& event) {
  IMPOUND_CHECK(
      session_.recorder().record(EntryDraft{"incident.raised",
                                            {{"what", "payload was sent to a peer; the swarm session was stopped"},
                                             {"sent_payload_bytes", json_number(event.sent_payload_bytes)}},
                                            {},
                                            {},
                                            {},
                                            {},
                                            {}}));
  terminal_.say("INCIDENT    " + std::to_string(event.sent_payload_bytes) +
                " payload bytes were sent to a peer; the swarm session was stopped");
  std::vector<std::string> jobs;
  for (auto const& [id, running] : running_) jobs.push_back(id);
  for (std::string const& job : jobs)
    IMPOUND_CHECK(
        finish(job, {"worker_ended", "stopped, because payload was sent to a peer", 0, event.sent_payload_bytes}));
  return ok();
}

Result<void> Acquisitions::on(fetchers::Ended const& event) {
  pid_t const pid = swarm_->worker();
  swarm_.reset();
  if (event.expected) return ok();
  std::string status = text(event.ending);
  if (!event.why.empty()) status += "; " + event.why;
  Json body{{"worker", "swarm"}, {"pid", pid}, {"status", shown(status, 500)}};
  if (!event.error_tail.empty()) body["error_tail"] = shown(event.error_tail, 2000);
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"worker.ended", std::move(body), {}, {}, {}, {}, {}}));
  terminal_.say("worker      the swarm worker ended (" + status + ")");
  std::vector<std::string> given_up;
  for (auto& [id, running] : running_) {
    running.files_done.clear();
    if (++running.deaths >= deaths_max) given_up.push_back(id);
  }
  for (std::string const& job : given_up)
    IMPOUND_CHECK(finish(
        job,
        {"worker_ended", "the swarm worker ended " + std::to_string(deaths_max) + " times with this torrent", 0, 0}));
  if (running_.empty()) return ok();
  IMPOUND_CHECK(start_swarm());
  for (auto const& [id, running] : running_) IMPOUND_CHECK(swarm_->add(running.job));
  return ok();
}

void Acquisitions::interrupt() {
  if (swarm_) swarm_->stop();
  swarm_.reset();
}

std::vector<AcquisitionOutcome> Acquisitions::take_outcomes() { return std::exchange(outcomes_, {}); }

void Acquisitions::show_progress() {
  if (running_.empty()) return;
  fetchers::Progress all;
  for (auto const& [id, running] : running_) {
    fetchers::Progress const& one = running.progress;
    all.downloaded += one.downloaded;
    all.total += one.total;
    all.rate += one.rate;
    all.peers += one.peers;
    all.seeds += one.seeds;
    if (all.state.empty() || one.state == "downloading") all.state = one.state;
  }
  std::string text = all.state.empty() ? "starting" : all.state == "metadata" ? "looking for metadata" : all.state;
  if (running_.size() > 1) text = std::to_string(running_.size()) + " torrents, " + text;
  if (all.total > 0) text += "  " + bytes_text(all.downloaded) + " of " + bytes_text(all.total);
  text += "  " + bytes_text(all.rate) + "/s  " + std::to_string(all.peers) + (all.peers == 1 ? " peer" : " peers");
  terminal_.status(text);
}

}  // namespace impound::agent
