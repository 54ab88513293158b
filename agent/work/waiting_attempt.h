// What the log tells of one attempt that found nobody and is tried again later: for `status` and `show`.
//
// It waits from an acquisition.stalled on; an exhibit of it, its result, or a run that takes it up says that it does
// not any more. `since` is the first try in vain after it last got something.
// Pure; one thread.
#pragma once

#include <string>

#include "evidence/custody_entry.h"
#include "evidence/formats/canonical_json.h"

namespace impound::agent {

class WaitingAttempt {
 public:
  /// An entry of the attempt, in the log's order.
  void take(evidence::ReadEntry const& entry);
  bool waits() const { return !next_try_utc_.empty(); }
  /// Of one that waits: a word of the worker's protocol.
  std::string const& reason() const { return reason_; }
  /// reason, detail, since_utc, next_try_utc and tries; nothing of one that does not wait.
  void add_to(Json& told) const;
  /// "since …, 3 time(s) in vain, tried again at …".
  std::string text() const;

 private:
  std::string since_utc_, next_try_utc_, reason_, detail_;
  std::uint64_t tries_ = 0;  // in vain, since it last got something
};

}  // namespace impound::agent
