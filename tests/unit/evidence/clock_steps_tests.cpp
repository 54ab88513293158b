#include <doctest/doctest.h>

#include "evidence/clock_steps.h"
#include "tests/support/fake_clock.h"

namespace impound::evidence {
namespace {

constexpr std::int64_t second = 1'000'000;

TEST_CASE("clock steps: a clock that runs on has none") {
  FakeClock clock;
  ClockSteps steps(clock);
  CHECK_FALSE(steps.look());
  clock.advance(3'600 * second);
  CHECK_FALSE(steps.look());
}

TEST_CASE("clock steps: more than a second is told once, forwards and back") {
  FakeClock clock;
  ClockSteps steps(clock);
  clock.step(second);
  CHECK_FALSE(steps.look());
  clock.advance(10 * second);
  clock.step(-5 * second);
  auto const back = steps.look();
  REQUIRE(back);
  CHECK(back->kind == "clock.stepped");
  CHECK(back->body["moved_us"] == -5 * second);
  CHECK(back->body["over_us"] == 10 * second);
  CHECK(back->body["from_utc"] == "2017-05-05T18:00:11.000000Z");
  CHECK(back->body["to_utc"] == "2017-05-05T18:00:06.000000Z");
  CHECK_FALSE(steps.look());
  clock.step(second + 1);
  CHECK(steps.look());
}

TEST_CASE("clock steps: what an NTP daemon slews over hours is no step") {
  FakeClock clock;
  ClockSteps steps(clock);
  clock.advance(10'000 * second);
  clock.step(5 * second);  // 500 ppm of it
  CHECK_FALSE(steps.look());
  clock.advance(10'000 * second);
  clock.step(7 * second);
  CHECK(steps.look());
}

}  // namespace
}  // namespace impound::evidence
