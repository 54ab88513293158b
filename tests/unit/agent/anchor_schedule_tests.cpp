// When an authority is asked: the rules over a clock that the test moves.
#include <doctest/doctest.h>

#include "agent/work/anchor_schedule.h"

namespace impound::agent {
namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t hour = 60 * minute;
using Kind = AnchorSchedule::Step::Kind;
using Indexes = std::vector<std::size_t>;

AnchorSchedule two_of_two() { return {{.required = 2, .every_us = 24 * hour, .entries = 1000}, {{"a"}, {"b"}}}; }

/// A round that both answer at `now`.
void stamped(AnchorSchedule& schedule, std::int64_t now) {
  REQUIRE(schedule.next(now).kind == Kind::begin);
  schedule.begun(now);
  auto const step = schedule.next(now);
  REQUIRE(step.kind == Kind::ask);
  for (std::size_t one : step.authorities) schedule.got_token(one, now);
  REQUIRE(schedule.met());
  schedule.ended();
}

}  // namespace

TEST_CASE("anchoring: nothing new, nothing to stamp, however much it is wanted") {
  auto schedule = two_of_two();
  schedule.want(0, true);
  CHECK(schedule.next(0).kind == Kind::wait);
  CHECK_FALSE(schedule.next(100 * hour).wake_us);
}

TEST_CASE("anchoring: a result at once, a full thousand at once, anything within a day") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  CHECK(schedule.next(0).kind == Kind::wait);
  CHECK(schedule.next(0).wake_us == 24 * hour);
  CHECK(schedule.next(24 * hour - 1).kind == Kind::wait);
  CHECK(schedule.next(24 * hour).kind == Kind::begin);
  schedule.fresh(999, second);
  CHECK(schedule.next(second).kind == Kind::wait);
  schedule.fresh(1000, second);
  CHECK(schedule.next(second).kind == Kind::begin);
  schedule.fresh(2, second);
  schedule.want(second, false);
  CHECK(schedule.next(second).kind == Kind::begin);
}

TEST_CASE("anchoring: no authority is asked twice within a minute, and one checkpoint covers all before it") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, true);
  stamped(schedule, 0);
  for (std::int64_t now = second; now < minute; now += 7 * second) {
    schedule.fresh(static_cast<std::uint64_t>(now / second), now);
    schedule.want(now, true);
    CHECK(schedule.next(now).kind == Kind::wait);
    CHECK(schedule.next(now).wake_us == minute);
  }
  stamped(schedule, minute);
  CHECK(schedule.next(2 * minute).kind == Kind::wait);
}

TEST_CASE("anchoring: who does not answer is asked again with growing gaps up to an hour, the others are left alone") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  schedule.got_token(0, 0);
  schedule.failed(1, "no answer", 0, 0);
  CHECK_FALSE(schedule.met());
  std::int64_t now = 0;
  for (std::int64_t gap : {1, 2, 4, 8, 16, 32, 60, 60}) {
    auto const early = schedule.next(now + gap * minute - 1);
    CHECK(early.kind == Kind::wait);
    CHECK(early.wake_us == now + gap * minute);
    now += gap * minute;
    auto const step = schedule.next(now);
    CHECK(step.kind == Kind::ask);
    CHECK(step.authorities == Indexes{1});
    schedule.failed(1, "no answer", now, 0);
  }
  CHECK(schedule.authorities()[1].tries == 9);
  now += 60 * minute;
  schedule.got_token(1, now);
  CHECK(schedule.met());
  CHECK(schedule.authorities()[1].tries == 0);
}

TEST_CASE("anchoring: a retry goes over the newest checkpoint when there is a newer one") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  schedule.got_token(0, 0);
  schedule.failed(1, "no answer", 0, 0);
  schedule.fresh(1, second);  // not due by itself
  CHECK(schedule.next(2 * second).kind == Kind::wait);
  auto const step = schedule.next(minute);
  CHECK(step.kind == Kind::begin);
  schedule.begun(minute);
  CHECK(schedule.next(minute).authorities == Indexes{0, 1});
}

TEST_CASE("anchoring: what was logged while a round begins does not start it anew before anybody was asked") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  schedule.fresh(1, 0);
  schedule.want(0, false);
  CHECK(schedule.next(0).kind == Kind::ask);
}

TEST_CASE("anchoring: k of n ends a round when nobody is left who might answer") {
  AnchorSchedule schedule{{.required = 1, .every_us = hour, .entries = 10}, {{"a"}, {"b"}}};
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  schedule.got_token(0, 0);
  CHECK_FALSE(schedule.met());  // the other was not asked yet
  schedule.failed(1, "gone", 0, 255);
  CHECK(schedule.met());
  CHECK(schedule.authorities()[1].not_before_us == minute + minute / 4);
  schedule.ended();
  CHECK(schedule.next(30 * second).kind == Kind::wait);
}

TEST_CASE("anchoring: for a person the long gaps do not hold, the minute does") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  std::int64_t now = 0;
  for (int i = 0; i < 6; ++i) {
    schedule.failed(0, "gone", now, 0);
    schedule.failed(1, "gone", now, 0);
    now = schedule.authorities()[0].not_before_us;
  }
  std::int64_t const last = now - 32 * minute;
  CHECK(schedule.next(last + minute).kind == Kind::wait);
  schedule.want(last + 30 * second, true);
  CHECK(schedule.next(last + 30 * second).wake_us == last + minute);
  CHECK(schedule.next(last + minute).kind == Kind::ask);
  schedule.failed(0, "gone", last + minute, 0);
  schedule.failed(1, "gone", last + minute, 0);
  CHECK(schedule.next(last + 2 * minute).kind == Kind::wait);  // that try was theirs; the long gaps hold again
}

TEST_CASE("anchoring: a round of an earlier run gives way to a newer checkpoint, or goes on when there is none") {
  auto schedule = two_of_two();
  schedule.taken_up({true, false});
  CHECK(schedule.next(0).kind == Kind::ask);
  CHECK(schedule.next(0).authorities == Indexes{1});
  schedule.fresh(2, 0);
  schedule.want(0, true);
  CHECK(schedule.next(0).kind == Kind::begin);
}

TEST_CASE("anchoring: hopeless is what no answer can mend, not what only has to wait for its minute") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  schedule.asking(0, 0);
  schedule.got_token(0, 0);
  CHECK_FALSE(schedule.hopeless());
  CHECK_FALSE(schedule.met());
  schedule.asking(1, 0);
  CHECK(schedule.next(minute - 1).authorities.empty());
  schedule.failed(1, "gone", 0, 0);
  CHECK(schedule.hopeless());
}

TEST_CASE("anchoring: for who waits, an authority in its minute after a failure is not given up") {
  auto schedule = two_of_two();
  schedule.fresh(1, 0);
  schedule.want(0, false);
  schedule.begun(0);
  schedule.got_token(0, 0);
  schedule.failed(1, "gone", 0, 0);
  schedule.fresh(1, minute);
  schedule.want(minute - second, true);
  schedule.begun(minute - second);
  CHECK_FALSE(schedule.hopeless());
  CHECK(schedule.authorities()[1].failed_here == 0);
  schedule.asking(1, minute);
  schedule.failed(1, "gone still", minute, 0);
  CHECK(schedule.hopeless());
  CHECK(schedule.authorities()[1].failed_here == 1);
  CHECK(schedule.authorities()[1].tries == 2);
}

}  // namespace impound::agent
