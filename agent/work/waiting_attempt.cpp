#include "agent/work/waiting_attempt.h"

namespace impound::agent {

void WaitingAttempt::take(evidence::ReadEntry const& entry) {
  std::string const& kind = entry.kind();
  if (kind == "acquisition.stalled") {
    tries_ = entry.number("try").value_or(1);
    if (since_utc_.empty() || tries_ == 1) since_utc_ = entry.utc();
    next_try_utc_ = entry.text("next_try_utc").value_or("");
    reason_ = entry.text("reason").value_or("");
    detail_ = entry.text("detail").value_or("");
  } else if (kind == "acquisition.resumed" || kind == "acquisition.result" || kind == "exhibit.sealed") {
    next_try_utc_.clear();
  }
}

void WaitingAttempt::add_to(Json& told) const {
  if (!waits()) return;
  told["since_utc"] = since_utc_;
  told["next_try_utc"] = next_try_utc_;
  told["tries"] = tries_;
  told["reason"] = reason_;
  told["detail"] = detail_;
}

std::string WaitingAttempt::text() const {
  return "since " + since_utc_ + ", " + std::to_string(tries_) + " time(s) in vain, tried again at " + next_try_utc_;
}

}  // namespace impound::agent
