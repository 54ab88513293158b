#include "evidence/system/worker_process.h"

#include <poll.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "evidence/system/worker_start.h"

namespace impound {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto half_frame_max = std::chrono::seconds{30};

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(ChildPlan const& plan, std::size_t queue_bytes_max) {
  IMPOUND_TRY(child, ChildProcess::start(plan));
  return std::unique_ptr<WorkerProcess>{new WorkerProcess{std::move(child), queue_bytes_max}};
}

WorkerProcess::WorkerProcess(std::unique_ptr<ChildProcess> child, std::size_t queue_bytes_max)
    : child_(std::move(child)), line_(std::move(child_->socket()), queue_bytes_max) {}

Result<void> WorkerProcess::send(Frame const& frame, int handed) { return line_.send(frame, handed); }

Result<std::optional<Frame>> WorkerProcess::next() {
  IMPOUND_TRY(frame, line_.next());
  if (!line_.half_a_frame())
    half_since_.reset();
  else if (!frame && !half_since_)
    half_since_ = SteadyClock::now();
  return frame;
}

bool WorkerProcess::exchange(std::chrono::milliseconds wait, std::span<int const> wake) {
  std::vector<pollfd> watched{{line_.number(), static_cast<short>(line_.unsent() ? POLLIN | POLLOUT : POLLIN), 0},
                              {child_->error_output(), POLLIN, 0}};
  for (int const descriptor : wake) watched.push_back({descriptor, POLLIN, 0});  // poll passes over a negative one
  auto const since = SteadyClock::now();
  ::poll(watched.data(), watched.size(), static_cast<int>(std::min<std::int64_t>(wait.count(), 3'600'000)));
  // Only what was waited for counts: not the time in which we did something else, or were stopped ourselves.
  auto const waited = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - since);
  silent_for_ = watched[0].revents != 0 ? std::chrono::milliseconds{0} : silent_for_ + std::min(waited, wait);
  if (watched[1].revents != 0) child_->drain();
  if (watched[0].revents != 0) {
    (void)line_.flush();  // a failure says nothing new: what the worker said last, and its end, are read below
    auto open = line_.receive();
    closed_ = !open || !open.value();
  }
  return std::any_of(watched.begin() + 2, watched.end(), [](pollfd const& one) { return one.revents != 0; });
}

std::optional<std::string> WorkerProcess::overdue(std::chrono::milliseconds silence_max) const {
  if (silent_for_ > silence_max) return "it has said nothing for " + std::to_string(silent_for_.count() / 1000) + " s";
  if (half_since_ && SteadyClock::now() - *half_since_ > half_frame_max) return "it sent half a message and no more";
  return std::nullopt;
}

WorkerEnd WorkerProcess::end(std::string why, bool greeted) {
  WorkerEnd end;
  if (why.empty()) {
    // It closed its side: it is on its way out, and its own exit status says more than our signal would.
    auto const ending = child_->wait(worker_stop_grace);
    end.ending = ending ? *ending : child_->kill();
  } else {
    end.ending = child_->kill();
  }
  end.why = std::move(why);
  end.error_tail = child_->error_tail();
  end.refused = !greeted && end.why.empty() && end.ending == Ending{false, worker_refused_exit};
  return end;
}

}  // namespace impound
