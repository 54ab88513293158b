// What the swarm says, and what follows from it: the middle of an acquisition. See acquisition.h.
#include <spdlog/spdlog.h>

#include <utility>

#include "agent/work/acquisition.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr unsigned deaths_max = 3;

}  // namespace

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

/// Gap: all jobs come back together, so a torrent that crashes the worker three times takes those beside it along. They
/// shall come back one at a time until one dies alone.
Result<void> Acquisitions::on(fetchers::Ended const& event) {
  pid_t const pid = swarm_->worker();
  swarm_.reset();
  if (event.expected) return ok();
  std::string status = text(event.ending);
  if (!event.why.empty()) status += "; " + event.why;
  Json body{{"worker", "swarm"}, {"pid", pid}, {"status", shown(status, 500)}};
  if (!event.error_tail.empty()) body["error_tail"] = shown(event.error_tail, 2000);
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"worker.ended", std::move(body), {}, {}, {}, {}, {}}));
  std::string const why = event.refused
                              ? "the swarm worker does not start: " + shown(event.error_tail, 500)
                              : "the swarm worker ended " + std::to_string(deaths_max) + " times with this torrent";
  terminal_.say("worker      " + (event.refused ? why : "the swarm worker ended (" + status + ")"));
  std::vector<std::string> given_up;
  for (auto& [id, running] : running_) {
    running.files_done.clear();
    if (++running.deaths >= deaths_max || event.refused) given_up.push_back(id);
  }
  for (std::string const& job : given_up) IMPOUND_CHECK(finish(job, {"worker_ended", why, 0, 0}));
  if (running_.empty()) return ok();
  std::vector<std::string> again;
  for (auto const& [id, running] : running_) again.push_back(id);
  for (std::string const& job : again) IMPOUND_CHECK(add_to_swarm(job));
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
