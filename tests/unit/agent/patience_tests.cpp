// When an acquisition that found nobody is tried again.
#include "agent/work/patience.h"

#include <doctest/doctest.h>

#include <vector>

using namespace impound::agent;

namespace {

constexpr std::int64_t minute = 60'000'000;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t week = 7 * 24 * hour;
constexpr std::uint32_t middle = 0x80000000;  // no jitter, but for a microsecond or so

PatienceLimits of_a_week() {
  PatienceLimits limits;
  limits.patience_us = week;
  return limits;
}

/// Gaps of tries that end at once, until patience is over.
std::vector<std::int64_t> gaps(Patience& patience, std::int64_t now_us, std::uint32_t dice) {
  std::vector<std::int64_t> gaps;
  while (gaps.size() < 1000 && patience.stall(now_us, false, dice)) {
    gaps.push_back(patience.next_try_us() - now_us);
    CHECK(patience.tries() == gaps.size());
    CHECK_FALSE(patience.take_due(patience.next_try_us() - 1));
    CHECK(patience.waits());
    now_us = patience.next_try_us();
    CHECK(patience.take_due(now_us));
    CHECK_FALSE(patience.take_due(now_us));
  }
  return gaps;
}

bool about(std::int64_t gap_us, std::int64_t expected_us) {
  return gap_us >= expected_us - 10 && gap_us <= expected_us + 10;
}

}  // namespace

TEST_CASE("gaps begin with a minute, double, end at six hours, and patience ends them with one last try") {
  Patience patience{of_a_week(), 1'000'000};
  auto const all = gaps(patience, 1'000'000, middle);
  REQUIRE(all.size() > 12);
  CHECK(all.size() <= 40);
  std::int64_t expected = minute;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    CHECK_MESSAGE(about(all[i], expected), "gap " << i << " is " << all[i]);
    expected = std::min(2 * expected, 6 * hour);
    sum += all[i];
  }
  CHECK(sum + all.back() == week);
  CHECK_FALSE(patience.waits());
}

TEST_CASE("the jitter is a tenth, both ways") {
  for (auto const& [dice, percent] : {std::pair{0u, 90}, std::pair{0xffffffffu, 110}, std::pair{middle, 100}}) {
    Patience patience{of_a_week(), 0};
    for (std::int64_t gap = minute; gap < 6 * hour; gap *= 2) {
      REQUIRE(patience.stall(0, false, dice));
      CHECK_MESSAGE(about(patience.next_try_us(), gap * percent / 100), dice << ": " << patience.next_try_us());
    }
  }
}

TEST_CASE("a byte or metadata sets the gap back to the first, a bounded number of times") {
  Patience patience{of_a_week(), 0};
  for (int i = 0; i < 8; ++i) REQUIRE(patience.stall(0, false, middle));
  CHECK(about(patience.next_try_us(), 128 * minute));
  REQUIRE(patience.stall(0, true, middle));
  CHECK(about(patience.next_try_us(), minute));
  CHECK(patience.tries() == 1);
  REQUIRE(patience.stall(0, false, middle));
  CHECK(about(patience.next_try_us(), 2 * minute));

  Patience drip{of_a_week(), 0};
  std::int64_t now = 0;
  unsigned stalls = 0;
  while (drip.stall(now, true, middle) && stalls < 100'000) {
    ++stalls;
    now = drip.next_try_us();
  }
  CHECK(stalls < 100);  // not the 10,080 minutes of a week
}

TEST_CASE("what an earlier run tried counts on, and so does its time") {
  // Six days old, on a machine that has just started.
  Patience patience{of_a_week(), 5'000'000 - 6 * 24 * hour, {5, 1}};
  REQUIRE(patience.stall(5'000'000, false, middle));
  CHECK(about(patience.next_try_us(), 5'000'000 + 32 * minute));
  CHECK(patience.tries() == 6);
  Patience old{of_a_week(), 5'000'000 - week, {5, 1}};
  CHECK_FALSE(old.stall(5'000'000, true, middle));
  CHECK_FALSE(old.waits());
  Patience none{PatienceLimits{}, 0};
  CHECK_FALSE(none.stall(0, true, middle));
}

TEST_CASE("named again, it is tried as soon as the first gap is over, and no sooner") {
  Patience patience{of_a_week(), 0};
  for (int i = 0; i < 8; ++i) REQUIRE(patience.stall(hour, false, middle));
  patience.hurry(hour + 10);
  CHECK(patience.next_try_us() == hour + minute);
  patience.hurry(hour + 20);
  CHECK(patience.next_try_us() == hour + minute);
  CHECK(patience.take_due(hour + minute));
  patience.hurry(hour + minute);
  CHECK_FALSE(patience.waits());
  REQUIRE(patience.stall(hour, false, middle));
  patience.hurry(2 * hour);
  CHECK(patience.next_try_us() == 2 * hour);
}

TEST_CASE("named again and again in vain, it does not hurry for ever") {
  Patience patience{of_a_week(), 0};
  for (int i = 0; i < 8; ++i) REQUIRE(patience.stall(hour, false, middle));
  std::int64_t now = hour;
  unsigned hurried = 0;
  for (int i = 0; i < 40; ++i) {
    patience.hurry(now);
    if (patience.next_try_us() > now + 2 * minute) break;
    ++hurried;
    now = patience.next_try_us();
    REQUIRE(patience.take_due(now));
    REQUIRE(patience.stall(now, false, middle));
  }
  CHECK(hurried == PatienceLimits{}.hurries_max);
  // What came of it gives it its haste back.
  now = patience.next_try_us();
  REQUIRE(patience.take_due(now));
  REQUIRE(patience.stall(now, true, middle));
  for (int i = 0; i < 8; ++i) REQUIRE(patience.stall(now, false, middle));
  patience.hurry(now);
  CHECK(patience.next_try_us() == now + minute);
}
