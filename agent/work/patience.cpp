#include "agent/work/patience.h"

#include <algorithm>

#include "evidence/values/growing_gap.h"

namespace impound::agent {

bool Patience::stall(std::int64_t now_us, bool got_something, std::uint32_t dice) {
  waits_ = false;
  std::int64_t const over_us = begun_us_ + limits_.patience_us;
  if (now_us >= over_us) return false;
  bool const first_again = got_something && before_.starts_over < limits_.starts_over_max;
  if (first_again && before_.tries > 0) ++before_.starts_over;
  if (first_again) before_.tries = hurries_ = 0;
  std::int64_t const gap_us = grown_gap(limits_.first_gap_us, before_.tries, limits_.gap_us_max);
  ++before_.tries;
  waits_ = true;
  stalled_us_ = now_us;
  next_try_us_ = std::min(now_us + with_jitter(gap_us, dice), over_us);
  return true;
}

void Patience::hurry(std::int64_t now_us) {
  std::int64_t const sooner_us = std::max(now_us, stalled_us_ + limits_.first_gap_us);
  if (!waits_ || sooner_us >= next_try_us_ || hurries_ == limits_.hurries_max) return;
  ++hurries_;
  next_try_us_ = sooner_us;
}

bool Patience::take_due(std::int64_t now_us) {
  if (!waits_ || now_us < next_try_us_) return false;
  waits_ = false;
  return true;
}

}  // namespace impound::agent
