// What this machine remembers of its time-stamping authorities between two runs.
#include "agent/work/authorities.h"

#include <doctest/doctest.h>

#include "tests/support/fake_clock.h"
#include "tests/support/simulated_disk.h"

using namespace impound;
using namespace impound::agent;

namespace {

constexpr std::int64_t minute_us = 60'000'000;
constexpr std::int64_t hour_us = 60 * minute_us;

std::vector<evidence::TimestampAuthority> one_authority() {
  std::vector<evidence::TimestampAuthority> authorities;
  authorities.push_back({"tsa", "http://tsa.example/", {}});
  return authorities;
}

}  // namespace

TEST_CASE("within a boot the gap of an authority does not move with the wall clock") {
  SimulatedDisk state;
  FakeClock clock;
  AuthorityStanding asked{.name = "tsa"};
  asked.last_asked_us = clock.boot_us();
  asked.not_before_us = clock.boot_us() + 10 * minute_us;
  asked.tries = 2;
  REQUIRE(remember(state, {asked}, clock));
  for (std::int64_t const step : {-300 * hour_us, 300 * hour_us}) {
    clock.step(step);
    AuthorityStanding const now = remembered(state, one_authority(), clock, hour_us).front();
    CHECK(now.not_before_us == asked.not_before_us);
    CHECK(now.last_asked_us == asked.last_asked_us);
    CHECK(now.tries == 2);
    clock.step(-step);
  }
}

TEST_CASE(
    "over a restart of the machine the wall clock says how much of a gap is left, and never more than the longest") {
  SimulatedDisk state;
  FakeClock clock;
  AuthorityStanding asked{.name = "tsa"};
  asked.last_asked_us = clock.boot_us();
  asked.not_before_us = clock.boot_us() + 10 * minute_us;
  asked.tries = 1;
  REQUIRE(remember(state, {asked}, clock));
  clock.reboot("b0070000-0000-4000-8000-000000000002");
  CHECK(remembered(state, one_authority(), clock, hour_us).front().not_before_us == clock.boot_us() + 10 * minute_us);
  clock.step(-300 * hour_us);
  CHECK(remembered(state, one_authority(), clock, hour_us).front().not_before_us == clock.boot_us() + hour_us);
}
