// The agent's side of any worker: its process and its line, and when it must be ended: it closed its side, said half a
// message and no more, or fell silent.
//
// What the frames mean is the owner's matter; nothing of them is believed here. After end() there is nothing more to
// come. One thread; and since the worker dies with the thread that started it, one that lives as long as this.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "evidence/system/child_process.h"
#include "evidence/system/frames.h"

namespace impound {

/// How a worker went.
struct WorkerEnd {
  Ending ending;
  std::string why;         // what it said or did wrong; empty when it ended by itself
  std::string error_tail;  // the end of its standard error
  bool refused = false;    // it could not enter its sandbox (error_tail says why): another try would end alike
};

class WorkerProcess {
 public:
  /// ChildProcess::start's errors. `queue_bytes_max`: how much may wait unsent before send() gives Code::refused.
  static Result<std::unique_ptr<WorkerProcess>> start(ChildPlan const& plan, std::size_t queue_bytes_max);

  /// Code::io when the worker is gone. `handed`: an open descriptor that goes with the frame, borrowed; -1: none.
  Result<void> send(Frame const& frame, int handed = -1);
  /// The next frame among what was received. Code::malformed: end the worker.
  Result<std::optional<Frame>> next();
  /// Waits for the worker's line, or for one of `wake` (then true), and moves bytes both ways.
  bool exchange(std::chrono::milliseconds wait, std::span<int const> wake = {});

  /// It closed its side; what it said before may still be read.
  bool closed() const { return closed_; }
  /// Why it must be ended now: silent for longer than `silence_max` (of the time that was waited for it), or half a
  /// message. Nothing while it may go on.
  std::optional<std::string> overdue(std::chrono::milliseconds silence_max) const;
  /// Ends it: kills it for `why`, or, where that is empty, lets it go a few seconds. `greeted`: it had said hello.
  WorkerEnd end(std::string why, bool greeted);

  pid_t id() const { return child_->id(); }
  int line() const { return line_.number(); }
  bool unsent() const { return line_.unsent(); }

 private:
  WorkerProcess(std::unique_ptr<ChildProcess> child, std::size_t queue_bytes_max);

  std::unique_ptr<ChildProcess> child_;
  FrameLine line_;
  bool closed_ = false;
  std::optional<std::chrono::steady_clock::time_point> half_since_;
  std::chrono::milliseconds silent_for_{0};  // waited for, and nothing came
};

/// How long a worker that was asked to end, or closed its side, may take.
constexpr auto worker_stop_grace = std::chrono::seconds{5};

}  // namespace impound
