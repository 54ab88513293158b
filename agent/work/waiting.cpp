#include "agent/work/waiting.h"

namespace impound::agent {

using std::chrono::milliseconds;

Result<Waiting> Waiting::make(CaptureGroup& captures, Acquisitions& acquisitions, int also) {
  IMPOUND_TRY(any, AnyReadable::make());
  IMPOUND_CHECK(any.add(captures.descriptor()));
  IMPOUND_CHECK(any.add(also));
  return Waiting{captures, acquisitions, also, std::move(any)};
}

Result<void> Waiting::turn(milliseconds wait) {
  if (acquisitions_->idle()) {
    IMPOUND_CHECK(acquisitions_->pump(milliseconds{0}, -1));
    return captures_->run(wait, also_);
  }
  IMPOUND_CHECK(acquisitions_->pump(captures_->due_in(wait), any_.descriptor()));
  return captures_->run(milliseconds{0});
}

Result<void> Waiting::end_captures() {
  // Without `also`: the signal by which everything ends stays readable there.
  while (captures_->under_way() > 0) IMPOUND_CHECK(captures_->run(milliseconds{100}));
  return ok();
}

}  // namespace impound::agent
