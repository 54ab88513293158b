// What the swarm says, and what follows from it: the middle of an acquisition. See acquisition.h.
#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "agent/work/listed_sources.h"
#include "agent/work/web_seeds.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t events_heard_max = 5'000;  // of one worker, at a time
constexpr std::size_t refusals_max = 1'000;      // of one acquisition, kept as text: a worker may say anything
constexpr std::size_t parts_max = 1'000;         // each is read, and judged against all of the metadata

std::string does_not_start(fetchers::Ended const& event) {
  return std::string{worker_does_not_start} + shown(event.error_tail, 500);
}

}  // namespace

Result<void> Acquisitions::pump(std::chrono::milliseconds wait, int wake_descriptor) {
  IMPOUND_CHECK(session_.look_for_room());
  bool const looks = std::any_of(running_.begin(), running_.end(), [](auto const& one) {
    return one.second.slot && !one.second.intake.held_looked_for;  // which goes on below
  });
  IMPOUND_CHECK(hear(looks ? std::chrono::milliseconds{0} : wait, wake_descriptor));
  // What a torrent is not heard for, while large files of another are sealed, is not its own silence.
  std::int64_t const before = session_.clock().boot_us();
  for (auto& [id, running] : running_) IMPOUND_CHECK(take_in_payload(running, Rest::comes));
  std::int64_t const unheard_us = session_.clock().boot_us() - before;
  for (auto& [id, running] : running_) running.last_byte_us += unheard_us;
  IMPOUND_CHECK(let_run());
  show_progress();
  return ok();
}

/// Waits for the workers and works off what they said. The wait is one of them at a time, woken by the others: the one
/// that is still being told something, else each in its turn, since only who is waited for is found to be silent.
Result<void> Acquisitions::hear(std::chrono::milliseconds wait, int wake_descriptor) {
  std::vector<SwarmLane*> lanes;
  for (auto& [name, lane] : lanes_)
    if (lane.runs()) lanes.push_back(&lane);
  if (lanes.empty()) {
    pollfd wake{wake_descriptor, POLLIN, 0};
    (void)::poll(&wake, 1, static_cast<int>(wait.count()));  // a signal ends it, too
    return ok();
  }
  auto const telling = std::find_if(lanes.begin(), lanes.end(),
                                    [](SwarmLane const* lane) { return lane->swarm->has_more_to_tell_it(); });
  std::rotate(lanes.begin(),
              telling != lanes.end() ? telling : lanes.begin() + std::ptrdiff_t(next_lane_++ % lanes.size()),
              lanes.end());
  std::vector<int> wake{wake_descriptor};
  for (std::size_t i = 1; i < lanes.size(); ++i) wake.push_back(lanes[i]->swarm->line());
  for (SwarmLane* const lane : lanes) {
    IMPOUND_TRY(event, lane->swarm->next(lane == lanes.front() ? wait : std::chrono::milliseconds{0}, wake));
    // A worker that never stops talking keeps neither the others nor a signal waiting.
    for (std::size_t heard = 0; event; ++heard) {
      IMPOUND_CHECK(std::visit([&](auto const& one) { return on(*lane, one); }, *event));
      if (!lane->runs() || heard == events_heard_max) break;
      IMPOUND_TRY(more, lane->swarm->next(std::chrono::milliseconds{0}));
      event = std::move(more);
    }
  }
  return ok();
}

Result<void> Acquisitions::on(SwarmLane&, fetchers::MetadataReceived const& event) {
  Running* const running = find(event.job);
  if (running == nullptr) return ok();
  running->metadata_in_worker = true;
  if (running->metainfo) return ok();
  auto metainfo = fetchers::read_info_dict(event.info, fetchers::MetainfoLimits{});
  if (!metainfo) {
    running->refused_reason = "metadata_refused";
    running->refused_detail = line(metainfo.error());
    return end_in_swarm(event.job);
  }
  running->got_something = true;
  running->metadata_after = std::chrono::seconds{(session_.clock().boot_us() - running->begun_us) / 1'000'000};
  IMPOUND_CHECK(take_metainfo(*running, std::move(metainfo).value(), event.info, false));
  refuse_held(*running);
  if (!running->refused_reason.empty()) return end_in_swarm(event.job);
  return join_same(*running);
}

/// Others in its worker that have no metadata yet, and turn out to be the same torrent by its other info-hash: the
/// worker goes on with one (see engine.h), which asks whom they were to ask.
Result<void> Acquisitions::join_same(Running& running) {
  std::vector<std::string> same;
  for (auto& [id, other] : running_) {
    bool const there = other.in_worker || lies_by(other);
    if (&other == &running || &other.lane != &running.lane || !there || other.metainfo || other.metadata_only ||
        running.metadata_only || !other.refused_reason.empty() || !same_torrent(other.hashes, running.hashes))
      continue;
    other.refused_reason = "cancelled";
    other.refused_detail = "acquisition " + running.attempt.text() + " has the same torrent, and goes on";
    // Who wants other files of it is not served by that one.
    if (selection_json(other.selection) == selection_json(running.selection))
      other.goes_on_as = running.attempt;
    else
      other.refused_detail += " with other files of it: ask again when it has ended";
    same.push_back(id);
    IMPOUND_CHECK(join_sources(running, other));
  }
  for (std::string const& id : same) IMPOUND_CHECK(end_refused(id));
  return ok();
}

/// What the next run must know of as well, should this one be cut off.
Result<void> Acquisitions::join_sources(Running& running, Running const& other) {
  auto const peers = peer_texts(agent::join_sources(running.job.peers, other.job.peers));
  auto const trackers = agent::join_sources(running.job.trackers, other.job.trackers);
  Json body{{"attempt", other.attempt.text()}};
  if (!trackers.empty()) body["trackers"] = listed(trackers);
  add_web_seeds(body, agent::join_sources(running.job.web_seeds, other.job.web_seeds));
  if (!peers.empty()) body["peers"] = listed(peers);
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"acquisition.joined", std::move(body), running.case_name, other.attempt, running.attempt, {}, {}}));
  return ok();
}

/// Nothing is left to do for others that have the same torrent, and have nothing of it yet.
Result<void> Acquisitions::end_same(InfoHashes const& hashes, FileSelection const& selection,
                                    EntryId const& completed_by) {
  std::vector<std::string> same;
  for (auto& [id, other] : running_) {
    bool const has_something = other.progress.downloaded > 0 || !other.intake.whole.empty() ||
                               !other.intake.sealed.empty() || !other.sealed_before.empty();
    if (other.metadata_only || !other.refused_reason.empty() || has_something || !same_torrent(other.hashes, hashes) ||
        selection_json(other.selection) != selection_json(selection))
      continue;
    other.refused_reason = "cancelled";
    other.refused_detail = "acquisition " + completed_by.text() + " of this torrent is complete";
    other.goes_on_as = completed_by;
    same.push_back(id);
  }
  for (std::string const& id : same) IMPOUND_CHECK(end_refused(id));
  return ok();
}

/// Asks the worker to end a job, which Failed or Ended answers. A worker that is gone or does not read is no failure of
/// the agent's: what becomes of the job is decided when its end is heard.
Result<void> Acquisitions::end_in_swarm(std::string const& job) {
  Running const* const running = find(job);
  if (running == nullptr || !running->lane.runs()) return ok();
  if (auto const asked = running->lane.swarm->remove(job); !asked)
    spdlog::warn("job={} remove={}", job, line(asked.error()));
  return ok();
}

/// Ends one for its refused_reason: by the worker, if that has it, else here and now. The name is a copy: finish() ends
/// what it belongs to.
Result<void> Acquisitions::end_refused(std::string job) {
  Running const& running = running_.at(job);
  if (running.in_worker) return end_in_swarm(job);
  return finish(job, {running.refused_reason, running.refused_detail, 0, 0});
}

Result<void> Acquisitions::on(SwarmLane&, fetchers::Progress const& event) {
  spdlog::debug("job={} state={} downloaded={} total={} rate={} peers={}", event.job, event.state, event.downloaded,
                event.total, event.rate, event.peers);
  Running* const running = find(event.job);
  if (running == nullptr) return ok();
  if (event.downloaded > running->progress.downloaded) {
    running->turns = 0;
    running->in_vain_us = 0;
  }
  if (event.downloaded != running->progress.downloaded || event.state == "checking")
    running->last_byte_us = session_.clock().boot_us();
  running->progress = event;
  running->staged_bytes =
      std::max(running->staged_bytes, event.downloaded - std::min(event.downloaded, running->left_bytes));
  return ok();
}

Result<void> Acquisitions::on(SwarmLane&, fetchers::FileDone const& event) {
  Running* const running = find(event.job);
  if (running == nullptr) return ok();
  Intake& intake = running->intake;
  bool const fits = known(*running, event) && !is_sealed(*running, event.index) && !intake.parts.contains(event.index);
  bool const taken = fits && intake.whole.emplace(event.index, event).second;
  if (!taken && intake.refused.size() >= refusals_max)
    ++intake.refused_more;
  else if (!taken)
    intake.refused.push_back("the worker announced file " + std::to_string(event.index) + " as " + event.path_bytes +
                             ", which is not what the metadata says, not chosen, or announced before");
  return ok();
}

Result<void> Acquisitions::on(SwarmLane&, fetchers::FileReached const& event) {
  Running* const running = find(event.job);
  if (running == nullptr || !running->metainfo || event.index >= running->metainfo->files.size()) return ok();
  running->intake.reached.insert_or_assign(event.index, event);
  return ok();
}

Result<void> Acquisitions::on(SwarmLane&, fetchers::FilePart const& event) {
  Running* const running = find(event.job);
  if (running == nullptr || !running->metainfo || event.index >= running->metainfo->files.size()) return ok();
  fetchers::TorrentFile const& file = running->metainfo->files[event.index];
  bool const fits = !file.pad && running->left_out[event.index].empty() && file.path_bytes == event.path_bytes &&
                    !is_sealed(*running, event.index) && !running->intake.whole.contains(event.index);
  if (fits && running->intake.parts.size() < parts_max) running->intake.parts.emplace(event.index, event);
  return ok();
}

Result<void> Acquisitions::on(SwarmLane&, fetchers::Tried const& event) {
  if (Running* const running = find(event.job)) running->tried = event;
  return ok();
}

Result<void> Acquisitions::on(SwarmLane& lane, fetchers::Done const& event) {
  if (event.uploaded_payload > 0) return on(lane, fetchers::Incident{event.uploaded_payload});
  return finish(event.job, {"", "", event.downloaded_payload, event.uploaded_payload});
}

Result<void> Acquisitions::on(SwarmLane& lane, fetchers::Failed const& event) {
  if (event.uploaded > 0) return on(lane, fetchers::Incident{event.uploaded});
  Running const* const running = find(event.job);
  if (running == nullptr) return ok();
  bool const ours = !running->refused_reason.empty();
  return finish(event.job, {ours ? running->refused_reason : event.reason,
                            ours ? running->refused_detail : event.detail, event.downloaded, event.uploaded});
}

Result<void> Acquisitions::record_upload(std::uint64_t sent_payload_bytes) {
  IMPOUND_CHECK(
      session_.recorder().record(EntryDraft{"incident.raised",
                                            {{"what", "payload was sent to a peer; the swarm session was stopped"},
                                             {"sent_payload_bytes", json_number(sent_payload_bytes)}},
                                            {},
                                            {},
                                            {},
                                            {},
                                            {}}));
  terminal_.say("INCIDENT    " + std::to_string(sent_payload_bytes) +
                " payload bytes were sent to a peer; the swarm session was stopped");
  return ok();
}

/// What a worker's session has sent to peers: nothing, or it is stopped with all its torrents.
Result<void> Acquisitions::on(SwarmLane& lane, fetchers::Incident const& event) {
  IMPOUND_CHECK(record_upload(event.sent_payload_bytes));
  std::vector<std::string> jobs;
  for (auto const& [id, running] : running_)
    if (&running.lane == &lane && !lies_by(running)) jobs.push_back(id);
  for (std::string const& job : jobs)
    IMPOUND_CHECK(
        finish(job, {"worker_ended", "stopped, because payload was sent to a peer", 0, event.sent_payload_bytes}));
  lane.uploaded = true;
  lane.swarm->stop();  // it ends by itself, unless it is not ours any more
  return ok();
}

Result<void> Acquisitions::on(SwarmLane& lane, fetchers::Ended const& event) {
  pid_t const pid = lane.swarm->worker();
  lane.swarm.reset();
  if (event.expected && !std::exchange(lane.uploaded, false)) return ok();
  JobRevival::Death const death = lane.revival.died(session_.clock().boot_us());
  IMPOUND_CHECK(record_death(lane, event, pid, death));
  std::map<std::string, SwarmPart> over;
  for (auto& [id, running] : running_) {
    if (&running.lane != &lane) continue;
    // They are announced again; of one that ends here, what its last worker announced is all there will be.
    if (death.given_up != id && running.refused_reason.empty() && !event.refused) running.intake.whole.clear();
    running.intake.drop_leases();  // its successor opens them anew
    running.intake.reached.clear();
    running.intake.parts.clear();
    running.record.reset();
    running.in_worker = running.paused = running.chosen = running.metadata_in_worker = false;
    running.progress = {};
    // What we had ended already, before the worker could say so, does not come back.
    if (!running.refused_reason.empty()) over[id] = {running.refused_reason, running.refused_detail, 0, 0};
  }
  if (death.given_up)
    over[*death.given_up] = {
        "worker_ended",
        "the swarm worker ended " + std::to_string(RevivalLimits{}.lone_deaths_max) + " times with this torrent alone",
        0, 0};
  // A worker that may not run will not run the next time either.
  if (event.refused)
    for (auto const& [id, running] : running_)
      if (&running.lane == &lane && !lies_by(running)) over[id] = {"worker_ended", does_not_start(event), 0, 0};
  for (auto const& [job, ending] : over) IMPOUND_CHECK(finish(job, ending));
  return ok();  // pump() lets those run that may
}

Result<void> Acquisitions::record_death(SwarmLane const& lane, fetchers::Ended const& event, pid_t pid,
                                        JobRevival::Death const& death) {
  std::string status = text(event.ending);
  if (!event.why.empty()) status += "; " + event.why;
  Json body{{"worker", "swarm"}, {"route", lane.route.name}, {"pid", pid}, {"status", shown(status, 500)}};
  if (!event.error_tail.empty()) body["error_tail"] = shown(event.error_tail, 2000);
  if (!death.active.empty()) {
    body["active_jobs"] = death.active.size();
    body["active"] = Json::array();
    for (std::string const& job : death.active)
      if (body["active"].size() < entry_list_max) body["active"].push_back(job);
  }
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"worker.ended", std::move(body), {}, {}, {}, {}, {}}));
  terminal_.say("worker      " + (event.refused ? does_not_start(event) : "the swarm worker ended (" + status + ")"));
  if (death.active.size() > 1 && !event.refused)
    terminal_.say("            its " + std::to_string(death.active.size()) +
                  " torrents come back one at a time, to find the one that ends it");
  spdlog::warn("worker=swarm pid={} event=ended jobs={} given_up={}", pid, death.active.size(),
               death.given_up.value_or("none"));
  return ok();
}

void Acquisitions::interrupt() {
  for (auto& [name, lane] : lanes_) {
    if (!lane.runs()) continue;
    lane.swarm->stop();
    // What it still had to say is of no interest any more, but for one thing.
    while (true) {
      auto const event = lane.swarm->next(std::chrono::milliseconds{0});
      if (!event || !event.value()) break;
      if (auto const* incident = std::get_if<fetchers::Incident>(&*event.value()); incident != nullptr)
        if (auto const told = record_upload(incident->sent_payload_bytes); !told)
          spdlog::error("incident=upload record={}", line(told.error()));
    }
    lane.swarm.reset();
  }
}

std::vector<AcquisitionOutcome> Acquisitions::take_outcomes() { return std::exchange(outcomes_, {}); }

}  // namespace impound::agent
