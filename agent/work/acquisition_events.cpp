// What the swarm says, and what follows from it: the middle of an acquisition. See acquisition.h.
#include <spdlog/spdlog.h>

#include <utility>

#include "agent/work/acquisition.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

std::string does_not_start(fetchers::Ended const& event) {
  return std::string{worker_does_not_start} + shown(event.error_tail, 500);
}

}  // namespace

Result<void> Acquisitions::pump(std::chrono::milliseconds wait, int wake_descriptor) {
  IMPOUND_CHECK(session_.look_for_room());
  if (!swarm_) return let_run();
  IMPOUND_TRY(event, swarm_->next(wait, wake_descriptor));
  while (event) {
    IMPOUND_CHECK(handle(std::move(*event)));
    if (!swarm_) break;
    IMPOUND_TRY(more, swarm_->next(std::chrono::milliseconds{0}, -1));
    event = std::move(more);
  }
  IMPOUND_CHECK(let_run());
  show_progress();
  return ok();
}

Result<void> Acquisitions::handle(fetchers::SwarmEvent event) {
  return std::visit([this](auto const& one) { return on(one); }, event);
}

Result<void> Acquisitions::on(fetchers::MetadataReceived const& event) {
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
  IMPOUND_CHECK(take_metainfo(*running, std::move(metainfo).value(), event.info, false));
  if (!running->refused_reason.empty()) return end_in_swarm(event.job);
  return ok();
}

/// Asks the worker to end a job, which Failed or Ended answers. A worker that is gone or does not read is no failure of
/// the agent's: what becomes of the job is decided when its end is heard.
Result<void> Acquisitions::end_in_swarm(std::string const& job) {
  if (auto const asked = swarm_->remove(job); !asked) spdlog::warn("job={} remove={}", job, line(asked.error()));
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

Result<void> Acquisitions::on(fetchers::Tried const& event) {
  if (Running* const running = find(event.job)) running->tried = event;
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
  uploaded_ = true;
  swarm_->stop();  // it ends by itself, unless it is not ours any more
  return ok();
}

Result<void> Acquisitions::on(fetchers::Ended const& event) {
  pid_t const pid = swarm_->worker();
  swarm_.reset();
  if (event.expected && !std::exchange(uploaded_, false)) return ok();
  JobRevival::Death const death = revival_.died(session_.clock().boot_us());
  IMPOUND_CHECK(record_death(event, pid, death));
  std::map<std::string, SwarmPart> over;
  for (auto& [id, running] : running_) {
    // They are announced again; of one that is given up, what its last worker announced is all there will be.
    if (death.given_up != id) running.files_done.clear();
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
    for (auto const& [id, running] : running_) over[id] = {"worker_ended", does_not_start(event), 0, 0};
  for (auto const& [job, ending] : over) IMPOUND_CHECK(finish(job, ending));
  return ok();  // pump() lets those run that may
}

Result<void> Acquisitions::record_death(fetchers::Ended const& event, pid_t pid, JobRevival::Death const& death) {
  std::string status = text(event.ending);
  if (!event.why.empty()) status += "; " + event.why;
  Json body{{"worker", "swarm"}, {"pid", pid}, {"status", shown(status, 500)}};
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
  if (swarm_) swarm_->stop();
  swarm_.reset();
}

std::vector<AcquisitionOutcome> Acquisitions::take_outcomes() { return std::exchange(outcomes_, {}); }

void Acquisitions::show_progress() {
  if (running_.empty()) return;
  fetchers::Progress all;
  std::size_t waiting = 0;
  for (auto const& [id, running] : running_) {
    if (!revival_.runs(id)) ++waiting;
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
  if (waiting > 0) text += ", " + std::to_string(waiting) + " waiting while one runs alone";
  if (all.total > 0) text += "  " + bytes_text(all.downloaded) + " of " + bytes_text(all.total);
  text += "  " + bytes_text(all.rate) + "/s  " + std::to_string(all.peers) + (all.peers == 1 ? " peer" : " peers");
  terminal_.status(text);
}

}  // namespace impound::agent
