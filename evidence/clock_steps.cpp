#include "evidence/clock_steps.h"

#include <cstdlib>

#include "evidence/values/utc_time.h"

namespace impound::evidence {

namespace {

constexpr std::int64_t step_us_min = 1'000'000;
constexpr std::int64_t slew_parts = 2'000;  // one part in so many: 500 ppm

}  // namespace

ClockSteps::ClockSteps(Clock& clock) : clock_(&clock), utc_us_(clock.utc_us()), boot_us_(clock.boot_us()) {}

std::optional<EntryDraft> ClockSteps::look() {
  std::int64_t const boot_us = clock_->boot_us();
  std::int64_t const utc_us = clock_->utc_us();
  std::int64_t const over_us = boot_us - boot_us_;
  std::int64_t const expected_us = utc_us_ + over_us;
  std::int64_t const moved_us = utc_us - expected_us;
  utc_us_ = utc_us;
  boot_us_ = boot_us;
  if (std::abs(moved_us) <= step_us_min + over_us / slew_parts) return std::nullopt;
  return EntryDraft{
      "clock.stepped",
      {{"moved_us", moved_us}, {"over_us", over_us}, {"from_utc", utc_text(expected_us)}, {"to_utc", utc_text(utc_us)}},
      {},
      {},
      {},
      {},
      {}};
}

}  // namespace impound::evidence
