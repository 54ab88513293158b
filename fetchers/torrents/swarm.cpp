#include "fetchers/torrents/swarm.h"

#include <algorithm>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::fetchers {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t chunk_bytes = 512u << 10;
constexpr std::size_t queue_bytes_max = 64u << 20;
constexpr std::size_t events_max = 4'096;  // beyond it the line is left unread until the caller has caught up
constexpr auto watch_every = std::chrono::milliseconds{1'000};  // a longer wait is cut, to see who has fallen silent

/// The info dict is what was asked for. A SHA-256 cut to 20 bytes is no v1 hash, though libtorrent 2.0.8 takes it for
/// one.
bool hashes_to(std::string_view info, InfoHashes const& asked) {
  if (asked.v1 && sha1(bytes_of(info)).bytes != asked.v1->bytes) return false;
  if (asked.v2 && sha256(bytes_of(info)).bytes != asked.v2->bytes) return false;
  return asked.v1.has_value() || asked.v2.has_value();
}

Error untrue(std::string what) {
  return Error{Code::malformed, "the swarm worker said what cannot be: " + what, {}, {}};
}

}  // namespace

Result<std::unique_ptr<Swarm>> Swarm::start(SwarmSettings settings) {
  ChildPlan plan{settings.worker_program, {}, settings.staging_folder};
  IMPOUND_TRY(worker, WorkerProcess::start(plan, queue_bytes_max));
  std::unique_ptr<Swarm> swarm{new Swarm{std::move(settings), std::move(worker)}};
  auto const& mine = swarm->settings_;
  // A worker that may not run is gone by now: its Ended, with the reason, is what next() will give.
  auto const configured =
      swarm->send(Configure{mine.blocked, mine.allowed, mine.user_agent, mine.limits, mine.way_out});
  if (!configured && configured.error().code != Code::io) return configured.error();
  return swarm;
}

Swarm::Swarm(SwarmSettings settings, std::unique_ptr<WorkerProcess> worker)
    : settings_(std::move(settings)), worker_(std::move(worker)) {}

Swarm::~Swarm() = default;

Result<void> Swarm::send(ToWorker const& message) {
  if (ended_) return Error{Code::io, "the swarm worker has ended", {}, {}};
  return worker_->send(to_frame(message));
}

Result<void> Swarm::send_named(ToWorker const& message, std::string const& job) {
  if (!jobs_.contains(job)) return ok();  // it ended on its own just before: nothing to tell the worker
  return send(message);
}

Result<void> Swarm::add(SwarmJob const& job) {
  if (!plain_name(job.id) || !plain_name(job.folder)) {
    return Error{Code::usage, "a swarm job's id or folder is not a plain name", job.id, {}};
  }
  if (!job.hashes.v1 && !job.hashes.v2) return Error{Code::usage, "a swarm job names no info-hash", job.id, {}};
  if (jobs_.contains(job.id)) return Error{Code::usage, "a swarm job of this id is under way", job.id, {}};
  if (job.torrent) {
    if (job.torrent->size() > settings_.limits.torrent_bytes_max) {
      return Error{Code::refused, "the .torrent is larger than the limit", job.id, {}};
    }
    for (std::size_t at = 0; at < job.torrent->size(); at += chunk_bytes) {
      IMPOUND_CHECK(send(TorrentChunk{job.id, job.torrent->size(), at, job.torrent->substr(at, chunk_bytes)}));
    }
  }
  AddJob message{job, job.torrent.has_value()};
  message.job.torrent.reset();
  IMPOUND_CHECK(send(message));
  Known known;
  known.hashes = job.hashes;
  known.has_metadata = job.torrent.has_value();
  jobs_.emplace(job.id, std::move(known));
  return ok();
}

Result<void> Swarm::remove(std::string const& job) { return send_named(RemoveJob{job}, job); }
Result<void> Swarm::choose(std::string const& job, std::vector<bool> wanted) {
  return send_named(ChooseFiles{job, std::move(wanted)}, job);
}
Result<void> Swarm::pause(std::string const& job) { return send_named(PauseJob{job}, job); }
Result<void> Swarm::resume(std::string const& job) { return send_named(ResumeJob{job}, job); }

Result<std::optional<SwarmEvent>> Swarm::next(std::chrono::milliseconds wait, std::span<int const> wake) {
  auto const until = SteadyClock::now() + wait;
  bool woken = false;
  for (bool looked = false;; looked = true) {
    if (events_.empty() && !ended_) settle();
    if (!events_.empty()) {
      auto event = std::move(events_.front());
      events_.pop_front();
      return std::optional<SwarmEvent>{std::move(event)};
    }
    auto const now = SteadyClock::now();
    if (ended_ || woken || (looked && now > until)) return std::optional<SwarmEvent>{};
    auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(until - now, SteadyClock::duration::zero()));
    left = std::min(left, watch_every);
    woken = worker_->exchange(left, wake);
  }
}

/// Turns what has come into events, and judges silence and the line's end.
void Swarm::settle() {
  if (auto taken = take_buffered(); !taken) return end(taken.error().what);
  if (events_.size() >= events_max) return;  // there may be more in the buffer
  if (worker_->closed()) return end({});
  if (auto why = worker_->overdue(settings_.silence_max)) end(std::move(*why));
}

Result<void> Swarm::take_buffered() {
  while (events_.size() < events_max) {
    IMPOUND_TRY(frame, worker_->next());
    if (!frame) break;
    IMPOUND_TRY(message, from_worker_from(*frame));
    IMPOUND_CHECK(take(std::move(message)));
  }
  return ok();
}

Result<void> Swarm::take(FromWorker message) {
  if (!greeted_ && !std::holds_alternative<Hello>(message)) return untrue("no hello first");
  return std::visit([this](auto const& one) { return take(one); }, message);
}

Result<void> Swarm::take(Hello const& message) {
  if (greeted_) return untrue("hello twice");
  if (message.version != swarm_protocol_version) return untrue("a protocol version of another build");
  greeted_ = true;
  engine_ = message.engine.substr(0, 100);
  return ok();
}

Result<void> Swarm::take(Alive const&) { return ok(); }

Result<Swarm::Known*> Swarm::known(std::string const& job) {
  auto const found = jobs_.find(job);
  if (found == jobs_.end()) return untrue("a job that was never given or has ended");
  return &found->second;
}

Result<void> Swarm::take(MetadataChunk const& message) {
  IMPOUND_TRY(job, known(message.job));
  if (job->has_metadata) return untrue("metadata twice");
  if (job->metadata.empty()) job->metadata_total = message.total;
  if (message.total == 0 || message.total > settings_.limits.metadata_bytes_max)
    return untrue("metadata beyond the limit");
  if (message.total != job->metadata_total || message.at != job->metadata.size() || message.bytes.empty() ||
      message.bytes.size() > message.total - message.at) {
    return untrue("metadata out of order");
  }
  job->metadata += message.bytes;
  if (job->metadata.size() < message.total) return ok();
  if (!hashes_to(job->metadata, job->hashes)) return untrue("metadata that does not hash to the info-hash");
  job->has_metadata = true;
  events_.emplace_back(MetadataReceived{message.job, std::exchange(job->metadata, {})});
  return ok();
}

Result<void> Swarm::take(Progress const& message) {
  IMPOUND_CHECK(known(message.job));
  events_.emplace_back(message);
  return ok();
}

/// Pad files count in the index and never come; as many as there are files may stand between.
Result<void> Swarm::count_file(std::string const& named, std::uint64_t index) {
  IMPOUND_TRY(job, known(named));
  if (!job->has_metadata) return untrue("a file before the metadata");
  if (++job->files_done > settings_.limits.files_max) return untrue("more files than the limit");
  if (index >= 2 * settings_.limits.files_max) return untrue("a file's index beyond the limit");
  return ok();
}

Result<void> Swarm::take(FileDone const& message) {
  IMPOUND_CHECK(count_file(message.job, message.index));
  if (settings_.limits.payload_bytes_max && message.size > *settings_.limits.payload_bytes_max)
    return untrue("a file larger than the limit");
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(FileReached const& message) {
  IMPOUND_TRY(job, known(message.job));
  if (!job->has_metadata) return untrue("a file before the metadata");
  if (message.index >= 2 * settings_.limits.files_max) return untrue("a file's index beyond the limit");
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(FilePart const& message) {
  IMPOUND_CHECK(count_file(message.job, message.index));
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(Tried const& message) {
  IMPOUND_TRY(job, known(message.job));
  if (std::exchange(job->tried, true)) return untrue("twice whom it asked");
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(SwarmRecord const& message) {
  IMPOUND_TRY(job, known(message.job));
  if (std::exchange(job->record, true)) return untrue("a swarm record twice");
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(Done const& message) {
  IMPOUND_CHECK(known(message.job));
  jobs_.erase(message.job);
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(Failed const& message) {
  IMPOUND_CHECK(known(message.job));
  jobs_.erase(message.job);
  events_.emplace_back(message);
  return ok();
}

Result<void> Swarm::take(Incident const& message) {
  if (std::exchange(incident_, true)) return untrue("payload was sent, twice");
  events_.emplace_back(message);
  return ok();
}

/// The worker is gone, or is made to go: `why` is what it did wrong.
void Swarm::end(std::string why) {
  if (ended_) return;
  ended_ = true;
  WorkerEnd gone = worker_->end(std::move(why), greeted_);
  Ended event{gone.ending, std::move(gone.why), std::move(gone.error_tail), stopping_, gone.refused};
  jobs_.clear();
  events_.emplace_back(std::move(event));
}

void Swarm::stop() {
  if (ended_) return;
  stopping_ = true;
  (void)send(StopWorker{});
  auto const until = SteadyClock::now() + worker_stop_grace;
  // What it still has to say is read on the way, or it might wait for us while we wait for it.
  while (!ended_) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    if (left.count() <= 0) {
      end("it did not end when asked");
      break;
    }
    worker_->exchange(left);
    settle();
    if (!ended_ && events_.size() >= events_max) end("it did not stop talking when asked to end");
  }
}

}  // namespace impound::fetchers
