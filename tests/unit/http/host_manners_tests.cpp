#include "fetchers/http/host_manners.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

namespace {

Exchange answered(int status, std::string retry_after = "") {
  Exchange exchange;
  exchange.status = status;
  if (!retry_after.empty()) exchange.headers.emplace_back("Retry-After", std::move(retry_after));
  return exchange;
}

Exchange failed(Code code) {
  Exchange exchange;
  exchange.failed = Error{code, "x", {}, {}};
  return exchange;
}

struct Fixture {
  FakeClock clock;
  SeededRandomness randomness{7};
  HostManners manners{clock, randomness};
  void pass(std::chrono::microseconds time) { clock.advance(time.count()); }
  /// Asks as soon as it may.
  void ask(Exchange const& exchange) {
    while (auto const wait = manners.may_not("a")) pass(*wait);
    manners.ended("a", exchange);
  }
};

bool about(std::optional<std::chrono::microseconds> value, std::chrono::microseconds wanted) {
  return value && *value >= wanted - wanted / 10 && *value <= wanted + wanted / 10;
}

}  // namespace

TEST_CASE("Retry-After is seconds or a date") {
  std::int64_t const utc = 1'494'007'200'000'000;  // 2017-05-05T18:00:00Z
  CHECK(retry_after("120", utc) == 120s);
  CHECK(retry_after("0", utc) == 0s);
  CHECK(retry_after("Fri, 05 May 2017 18:01:30 GMT", utc) == 90s);
  CHECK(retry_after("Fri, 05 May 2017 17:00:00 GMT", utc) == 0s);
  CHECK_FALSE(retry_after("-1", utc));
  CHECK_FALSE(retry_after("soon", utc));
  CHECK_FALSE(retry_after("12 monkeys", utc));
  CHECK_FALSE(retry_after("", utc));
  CHECK_FALSE(retry_after("99999999999999999999999999", utc));
  CHECK(retry_after("999999999999", utc) == std::chrono::hours{24 * 366});
}

TEST_CASE("a host that asks for quiet gets it, and more of it each time") {
  Fixture fixture;
  fixture.manners.ended("a", answered(429, "30"));
  CHECK(fixture.manners.reserve("a", 1s) == 30s);
  CHECK(fixture.manners.reserve("b", 1s) == 0s);
  fixture.pass(100s);
  fixture.manners.ended("a", answered(503));
  CHECK(about(fixture.manners.reserve("a", 0s), 4s));
  fixture.pass(100s);
  fixture.manners.ended("a", answered(503, "garbage"));
  CHECK(about(fixture.manners.reserve("a", 0s), 8s));
  fixture.pass(100s);
  fixture.manners.ended("a", answered(200));
  fixture.manners.ended("a", answered(503));
  CHECK(about(fixture.manners.reserve("a", 0s), 2s));
  for (int i = 0; i < 20; ++i) fixture.manners.ended("a", answered(429));
  fixture.pass(24h);
  fixture.manners.ended("a", answered(429));
  CHECK(about(fixture.manners.reserve("a", 0s), 15min));
  CHECK_FALSE(fixture.manners.may_not("a"));  // it answers: it is not down
}

TEST_CASE("five failures in a row open the circuit; then one request tries alone") {
  Fixture fixture;
  for (int i = 0; i < 4; ++i) fixture.manners.ended("a", failed(Code::unreachable));
  CHECK_FALSE(fixture.manners.may_not("a"));
  fixture.manners.ended("a", answered(502));
  auto const closed = fixture.manners.may_not("a");
  REQUIRE(about(closed, 30s));
  CHECK_FALSE(fixture.manners.may_not("b"));
  fixture.pass(*closed);
  CHECK_FALSE(fixture.manners.may_not("a"));
  CHECK(fixture.manners.may_not("a"));  // one alone
  fixture.manners.ended("a", failed(Code::timeout));
  auto const longer = fixture.manners.may_not("a");
  REQUIRE(about(longer, 60s));
  fixture.pass(*longer);
  CHECK_FALSE(fixture.manners.may_not("a"));
  fixture.manners.ended("a", answered(404));
  CHECK_FALSE(fixture.manners.may_not("a"));
  fixture.manners.ended("a", failed(Code::timeout));
  CHECK_FALSE(fixture.manners.may_not("a"));  // all was forgotten
  for (int i = 0; i < 30; ++i) fixture.ask(failed(Code::timeout));
  CHECK(about(fixture.manners.may_not("a"), 1h));
}

TEST_CASE("what we end ourselves says nothing of the host, and gives its turn back") {
  Fixture fixture;
  for (int i = 0; i < 10; ++i) fixture.manners.ended("a", failed(Code::cancelled));
  for (int i = 0; i < 10; ++i) fixture.manners.ended("a", failed(Code::refused));
  CHECK_FALSE(fixture.manners.may_not("a"));
  for (int i = 0; i < 5; ++i) fixture.manners.ended("a", failed(Code::timeout));
  auto const closed = fixture.manners.may_not("a");
  REQUIRE(closed);
  fixture.pass(*closed);
  CHECK_FALSE(fixture.manners.may_not("a"));
  fixture.manners.ended("a", failed(Code::cancelled));
  CHECK_FALSE(fixture.manners.may_not("a"));
}

TEST_CASE("P6: hosts without number do not fill the memory") {
  Fixture fixture;
  for (int i = 0; i < 20'000; ++i) fixture.manners.ended(std::to_string(i), failed(Code::timeout));
  for (int i = 0; i < 5; ++i) fixture.manners.ended("a", failed(Code::timeout));
  CHECK(fixture.manners.may_not("a"));
}
