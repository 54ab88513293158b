// Histories of a worker that dies, made up from a seed: who dies when is known, so it is known who must be given up.
#include "agent/work/job_revival.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/support/seeded_randomness.h"

using namespace impound;
using namespace impound::agent;

namespace {

constexpr std::int64_t second = 1'000'000;
constexpr RevivalLimits limits{60 * second, 1'800 * second, 3};

/// A torrent as the worker has it: done after so many seconds of running; a bad one crashes it before.
struct Torrent {
  int left = 0;           // seconds of work; what a death interrupts is not lost
  int crashes_after = 0;  // seconds in one worker; 0: never
  int in_this_worker = 0;
  int lone_deaths = 0;
  int waited = 0;  // since it last ran
};

struct History {
  JobRevival revival{limits};
  std::map<std::string, Torrent> torrents;
  std::set<std::string> complete;
  std::set<std::string> given_up;
  int deaths = 0;
  int seconds = 0;
  int waited_most = 0;

  void add(std::string const& name, Torrent torrent) {
    torrents[name] = torrent;
    revival.begin(name);
  }
  std::int64_t now() const { return seconds * second; }

  void die() {
    std::set<std::string> expected;
    for (auto const& [name, torrent] : torrents)
      if (revival.runs(name)) expected.insert(name);
    auto const death = revival.died(now());
    ++deaths;
    CHECK(std::set<std::string>(death.active.begin(), death.active.end()) == expected);
    if (death.active.size() == 1) ++torrents[death.active.front()].lone_deaths;
    for (auto& [name, torrent] : torrents) torrent.in_this_worker = 0;
    if (!death.given_up) return;
    CHECK(torrents[*death.given_up].lone_deaths >= 3);  // more, if it was cleared in between
    given_up.insert(*death.given_up);
    torrents.erase(*death.given_up);
  }

  void pass_a_second() {
    ++seconds;
    revival.pass_time(now());
    std::size_t running = 0;
    bool crash = false;
    std::set<std::string> done;
    for (auto& [name, torrent] : torrents) {
      torrent.waited = revival.runs(name) ? 0 : torrent.waited + 1;
      waited_most = std::max(waited_most, torrent.waited);
      if (!revival.runs(name)) continue;
      ++running;
      ++torrent.in_this_worker;
      crash |= torrent.crashes_after > 0 && torrent.in_this_worker >= torrent.crashes_after;
      if (--torrent.left <= 0) done.insert(name);
    }
    REQUIRE(running > 0);  // a worker with nothing to do while jobs wait is a stop
    if (revival.on_trial()) REQUIRE(running == 1);
    if (crash) return die();
    for (std::string const& name : done) {
      torrents.erase(name);
      complete.insert(name);
      revival.end(name, now());
    }
  }

  void run(int seconds_at_most) {
    while (!torrents.empty() && seconds < seconds_at_most) pass_a_second();
  }
};

std::string name_of(int number) { return "job" + std::to_string(100 + number); }

}  // namespace

TEST_CASE(
    "P6: a torrent that always crashes the worker is given up after three lone deaths, twenty beside it complete") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    SeededRandomness random{seed};
    auto const below = [&](int bound) {
      std::array<std::byte, 4> bytes{};
      random.fill(bytes);
      return static_cast<int>((std::to_integer<unsigned>(bytes[0]) << 16 | std::to_integer<unsigned>(bytes[1]) << 8 |
                               std::to_integer<unsigned>(bytes[2])) %
                              static_cast<unsigned>(bound));
    };
    History history;
    int const bad = below(21);
    for (int i = 0; i < 21; ++i) {
      Torrent torrent{60 + below(7'200)};
      // Some crash at once, some long after a first probation: they are found when theirs has doubled often enough.
      if (i == bad) torrent = {1'000'000, 1 + below(seed % 2 == 0 ? 30 : 900)};
      history.add(name_of(i), torrent);
    }
    history.run(20 * 7'260 * 10);
    CHECK(history.complete.size() == 20);
    CHECK(history.given_up == std::set<std::string>{name_of(bad)});
    CHECK(history.deaths <= 3 + 6);  // joint ones: until 60 s, doubled, reach 900 s
    CHECK(history.waited_most <= 21 * 1'800);
  }
}

TEST_CASE("two bad torrents are given up one after the other, and nobody else") {
  History history;
  for (int i = 0; i < 10; ++i) history.add(name_of(i), {3'600});
  history.add(name_of(3) + "bad", {1'000'000, 20});
  history.add(name_of(7) + "bad", {1'000'000, 45});
  history.run(100'000);
  CHECK(history.complete.size() == 10);
  CHECK(history.given_up == std::set<std::string>{name_of(3) + "bad", name_of(7) + "bad"});
}

TEST_CASE("a job that passes its probation is cleared: its earlier lone deaths do not count on") {
  JobRevival revival{limits};
  revival.begin("a");
  for (int round = 0; round < 5; ++round) {
    std::int64_t const at = round * 7'200 * second;
    CHECK_FALSE(revival.died(at).given_up);
    CHECK_FALSE(revival.died(at + second).given_up);
    CHECK(revival.on_trial());
    revival.pass_time(at + 1'900 * second);  // beyond every probation there is
    CHECK_FALSE(revival.on_trial());
  }
}

TEST_CASE("a lone torrent that crashes again and again is given up, however slowly below the bound") {
  History history;
  history.add("slow", {10'000'000, 1'700});
  history.run(1'000'000);
  CHECK(history.given_up.size() == 1);
  CHECK(history.deaths <= 9);
}

TEST_CASE("a job that comes while a suspect runs alone waits, and runs when all are cleared") {
  JobRevival revival{limits};
  revival.begin("a");
  revival.begin("b");
  auto const death = revival.died(0);
  CHECK(death.active == std::vector<std::string>{"a", "b"});
  revival.begin("c");
  CHECK(revival.runs("a"));
  CHECK_FALSE(revival.runs("b"));
  CHECK_FALSE(revival.runs("c"));
  revival.end("a", 10 * second);  // complete while alone: the next suspect's time begins
  CHECK(revival.runs("b"));
  revival.pass_time(69 * second);
  CHECK_FALSE(revival.runs("c"));
  revival.pass_time(70 * second);
  CHECK(revival.runs("b"));
  CHECK(revival.runs("c"));
  CHECK_FALSE(revival.runs("never begun"));
}

TEST_CASE("the first that dies alone clears the others; when it is given up they run together") {
  JobRevival revival{limits};
  for (char const* name : {"a", "b", "c"}) revival.begin(name);
  revival.died(0);
  revival.pass_time(60 * second);
  CHECK(revival.runs("b"));
  CHECK(revival.died(61 * second).active == std::vector<std::string>{"b"});
  CHECK_FALSE(revival.died(62 * second).given_up);
  CHECK(revival.died(63 * second).given_up == "b");
  CHECK(revival.runs("a"));
  CHECK(revival.runs("c"));
  CHECK_FALSE(revival.runs("b"));
  CHECK(revival.died(64 * second).active.size() == 2);
}

TEST_CASE("a culprit that then passes its probation lets all run at once: the others are not tried any more") {
  JobRevival revival{limits};
  for (char const* name : {"a", "b", "c"}) revival.begin(name);
  revival.died(0);
  revival.died(second);  // a, alone
  revival.pass_time(1'000 * second);
  for (char const* name : {"a", "b", "c"}) CHECK(revival.runs(name));
}

TEST_CASE("a death without jobs suspects nobody") {
  JobRevival revival{limits};
  CHECK(revival.died(0).active.empty());
  revival.begin("a");
  CHECK(revival.runs("a"));
}
