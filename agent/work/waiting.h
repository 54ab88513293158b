// What a session waits for beside each other: answers of hosts, the swarm's events, other commands' orders.
//
// One thread: the session's.
#pragma once

#include <chrono>
#include <utility>

#include "agent/work/acquisition.h"
#include "agent/work/capture_group.h"
#include "evidence/system/any_readable.h"
#include "evidence/values/result.h"

namespace impound::agent {

class Waiting {
 public:
  /// What is handed in must outlive it. `also`: a descriptor that ends a wait, too. Code::io when the kernel gives no
  /// descriptors.
  static Result<Waiting> make(CaptureGroup& captures, Acquisitions& acquisitions, int also);

  /// Moves captures and acquisitions on; waits at most `wait` for anything to happen. Their errors.
  Result<void> turn(std::chrono::milliseconds wait);
  /// Until no capture is under way.
  Result<void> end_captures();
  /// Nothing is under way, and nothing to be told.
  bool idle() const { return captures_->under_way() == 0 && acquisitions_->idle(); }

 private:
  Waiting(CaptureGroup& captures, Acquisitions& acquisitions, int also, AnyReadable any)
      : captures_(&captures), acquisitions_(&acquisitions), also_(also), any_(std::move(any)) {}

  CaptureGroup* captures_;
  Acquisitions* acquisitions_;
  int also_;
  AnyReadable any_;
};

}  // namespace impound::agent
