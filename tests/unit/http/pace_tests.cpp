#include "fetchers/http/pace.h"

#include <doctest/doctest.h>

#include "tests/support/fake_clock.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

TEST_CASE("one host is asked at most once an interval, hosts do not wait for each other") {
  FakeClock clock;
  Pace pace(clock);
  CHECK(pace.reserve("a", 1s) == 0us);
  CHECK(pace.reserve("b", 1s) == 0us);
  CHECK(pace.reserve("a", 1s) == 1s);
  CHECK(pace.reserve("a", 1s) == 2s);
  clock.advance(1'500'000);
  CHECK(pace.reserve("a", 1s) == 1500ms);
  CHECK(pace.reserve("b", 1s) == 0us);
  clock.advance(10'000'000);
  CHECK(pace.reserve("a", 1s) == 0us);
  CHECK(pace.reserve("a", 5s) == 5s);
}

TEST_CASE("a wall clock that is set does not make anyone hurry or wait") {
  FakeClock clock;
  Pace pace(clock);
  CHECK(pace.reserve("a", 1s) == 0us);
  clock.step(-3'600'000'000);
  CHECK(pace.reserve("a", 1s) == 1s);
  clock.step(7'200'000'000);
  CHECK(pace.reserve("a", 1s) == 2s);
}

TEST_CASE("a host that asks for quiet gets it, within a day") {
  FakeClock clock;
  Pace pace(clock);
  pace.hold("a", 30s);
  CHECK(pace.reserve("a", 1s) == 30s);
  pace.hold("a", 10s);
  CHECK(pace.reserve("a", 1s) == 31s);
  pace.hold("c", std::chrono::hours(24 * 365));
  CHECK(pace.reserve("c", 1s) == 24h);
}

TEST_CASE("hosts long past are forgotten") {
  FakeClock clock;
  Pace pace(clock);
  for (int i = 0; i < 5000; ++i) pace.reserve(std::to_string(i) + ".example", 1s);
  clock.advance(2 * 86'400'000'000);
  CHECK(pace.reserve("1.example", 1s) == 0us);
  CHECK(pace.reserve("1.example", 1s) == 1s);
}
