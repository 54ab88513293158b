#include <doctest/doctest.h>
#include <sys/wait.h>

#include <set>
#include <thread>

#include "indexed_world.h"

using namespace impound;
using namespace impound::index;

namespace {

constexpr std::int64_t minute_us = 60'000'000;

struct QueuedWorld : IndexedWorld {
  std::unique_ptr<Index> index = index_in(*beside);

  void catch_up() {
    auto log = reader();
    REQUIRE(index->catch_up(log));
  }
  WorkQueue queue(BackoffLimits limits = {}) {
    return WorkQueue{index->database(), writer->clock(), writer->randomness(), limits};
  }
  Job job(EntryId const& id) {
    auto found = queue().find(id);
    REQUIRE(found);
    REQUIRE(found.value());
    return *found.value();
  }
  std::vector<std::string> open() {
    auto const jobs = queue().list(false);
    REQUIRE(jobs);
    std::vector<std::string> ids;
    for (Job const& one : jobs.value()) ids.push_back(one.kind + " " + one.id);
    return ids;
  }
};

std::set<std::string> leased_by(LinuxDisk& place, std::string const& owner, Clock& clock, Randomness& randomness) {
  auto database = Database::open(place);
  std::set<std::string> ids;
  if (!database) return ids;
  WorkQueue queue{*database.value(), clock, randomness};
  for (;;) {
    auto job = queue.lease(owner, minute_us);
    if (!job || !job.value()) return ids;
    ids.insert(job.value()->id);
  }
}

}  // namespace

TEST_CASE("jobs are what the log has open") {
  QueuedWorld world;
  auto const acquisition = world.acquisition('a');
  auto const failed = world.capture("k", "failed");
  auto const found = world.capture("l", "captured", 3);
  world.catch_up();
  CHECK(world.open() == std::vector<std::string>{"acquisition " + acquisition.text(), "item " + failed.text(),
                                                 "references " + found.text()});
  CHECK(world.job(failed).attempts == 1);
  CHECK(world.job(failed).not_before_us == world.writer->clock().utc_us() + minute_us);
  CHECK(world.job(failed).subject == Json{{"source", "pastes"}, {"key", "k"}, {"url", "http://paste.example/k"}});
  CHECK(world.job(found).subject["references"] == 3);
  world.capture("k", "failed");
  world.tell("acquisition.stalled", {{"try", 2}, {"next_try_utc", "2017-05-06T18:00:00.000000Z"}}, acquisition);
  world.catch_up();
  CHECK(world.job(failed).attempts == 2);
  CHECK(world.job(failed).not_before_us == world.writer->clock().utc_us() + 2 * minute_us);
  CHECK(world.job(acquisition).attempts == 2);
  world.capture("k", "captured");
  world.tell("job.closed", {{"what", "references worked off"}}, {}, found);
  world.tell("acquisition.result", {{"state", "complete"}}, acquisition);
  world.catch_up();
  CHECK(world.open().empty());
  CHECK(world.job(failed).state == "done");
}

TEST_CASE("what is cancelled or given up does not come again, by whatever entry of it that was named") {
  QueuedWorld world;
  auto const acquisition = world.acquisition('a');
  auto const item = world.capture("k", "failed");
  auto const newer = world.capture("k", "failed");
  auto const dead = world.capture("d", "failed");
  world.tell("job.closed", {{"what", "cancelled"}}, {}, newer);
  world.tell("job.closed", {{"what", "given up"}}, {}, dead);
  world.tell("job.closed", {{"what", "cancelled"}}, {}, acquisition);
  world.tell("acquisition.result", {{"state", "failed"}, {"reason", "cancelled"}}, acquisition);
  for (bool anew : {false, true}) {
    if (anew) REQUIRE(world.index->start_over());
    world.catch_up();
    CHECK(world.job(item).state == "cancelled");
    CHECK(world.job(dead).state == "dead");
    CHECK(world.job(acquisition).state == "cancelled");
  }
  // The site still lists it, and somebody had asked already.
  world.capture("k", "failed");
  world.catch_up();
  CHECK(world.job(item).state == "cancelled");
}

TEST_CASE("a lease is one owner's until it runs out") {
  QueuedWorld world;
  auto const first = world.acquisition('a');
  auto const second = world.acquisition('b', evidence::By{"me", "me", 1});
  world.catch_up();
  auto queue = world.queue();
  auto const mine = queue.lease("one", minute_us);
  REQUIRE(mine);
  REQUIRE(mine.value());
  CHECK(mine.value()->id == second.text());  // a person's comes first
  CHECK(queue.lease("two", minute_us).value()->id == first.text());
  CHECK_FALSE(queue.lease("three", minute_us).value());
  CHECK(queue.complete(second, "two").error().code == Code::refused);
  world.writer->clock().advance(minute_us / 2);
  CHECK(queue.extend(second, "one", minute_us));
  world.writer->clock().advance(minute_us / 2);
  CHECK(queue.lease("three", minute_us).value()->id == first.text());  // its owner is gone
  CHECK(queue.complete(first, "two").error().code == Code::refused);
  CHECK(queue.complete(first, "three"));
  CHECK(queue.complete(second, "one"));
  CHECK(world.open().empty());
  CHECK(queue.complete(EntryId::make(world.writer->clock(), world.writer->randomness()), "one").error().code ==
        Code::not_found);
}

TEST_CASE("a failure waits longer each time, and what failed often enough is dead") {
  QueuedWorld world;
  auto const id = world.acquisition('a');
  world.catch_up();
  auto queue = world.queue({.first_gap_us = minute_us, .gap_us_max = 4 * minute_us, .attempts_max = 5});
  std::vector<std::int64_t> gaps;
  for (int i = 0; i < 5; ++i) {
    auto const leased = queue.lease("one", minute_us);
    REQUIRE(leased.value());
    auto const failed = queue.fail(id, "one");
    REQUIRE(failed);
    CHECK(failed.value().state == (i == 4 ? "dead" : "waiting"));
    std::int64_t const gap = failed.value().not_before_us - world.writer->clock().utc_us();
    std::int64_t const exact = std::min<std::int64_t>(minute_us << i, 4 * minute_us);
    CHECK(gap >= exact - exact / 10);
    CHECK(gap <= exact + exact / 10);
    gaps.push_back(gap);
    CHECK_FALSE(queue.lease("one", minute_us).value());
    world.writer->clock().advance(gap);
  }
  CHECK(gaps[2] != gaps[3]);  // jitter
  CHECK_FALSE(queue.lease("one", minute_us).value());
  CHECK(queue.retry(id).error().code == Code::refused);
  CHECK(queue.cancel(id));
  CHECK(queue.cancel(id).error().code == Code::refused);
}

TEST_CASE("a retry by hand comes at once") {
  QueuedWorld world;
  auto const id = world.capture("k", "failed");
  world.catch_up();
  auto queue = world.queue();
  CHECK_FALSE(queue.lease("one", minute_us).value());
  REQUIRE(queue.retry(id));
  CHECK(queue.lease("one", minute_us).value()->id == id.text());
}

TEST_CASE("threads and processes never lease the same job") {
  QueuedWorld world;
  constexpr int jobs = 60;
  for (int i = 0; i < jobs; ++i) world.acquisition("0123456789abcdef"[i % 16]);
  world.catch_up();
  Clock& clock = world.writer->clock();
  SUBCASE("threads") {
    std::set<std::string> taken[3];
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&, i] {
        SeededRandomness randomness{1};
        taken[i] = leased_by(*world.beside, "thread " + std::to_string(i), clock, randomness);
      });
    threads.clear();
    std::set<std::string> all;
    for (auto const& one : taken) all.insert(one.begin(), one.end());
    CHECK(all.size() == jobs);
    CHECK(taken[0].size() + taken[1].size() + taken[2].size() == jobs);
  }
  SUBCASE("processes") {
    std::vector<pid_t> children;
    for (int i = 0; i < 3; ++i) {
      children.push_back(::fork());
      REQUIRE(children.back() >= 0);
      if (children.back() != 0) continue;
      SeededRandomness randomness{1};
      ::_exit(static_cast<int>(leased_by(*world.beside, "process " + std::to_string(i), clock, randomness).size()));
    }
    int sum = 0;
    for (pid_t const child : children) {
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      REQUIRE(WIFEXITED(status));
      sum += WEXITSTATUS(status);
    }
    CHECK(sum == jobs);
  }
}

TEST_CASE("gaps are doubled up to the largest, with a tenth of jitter") {
  BackoffLimits const limits;
  CHECK(backoff_us(limits, 0, {}) == minute_us);
  CHECK(backoff_us(limits, 3, {}) == 8 * minute_us);
  CHECK(backoff_us(limits, 1'000'000, {}) == 360 * minute_us);
  CHECK(backoff_us(limits, 0, 0) == 54'000'000);
  CHECK(backoff_us(limits, 0, 12'000'000) == 66'000'000);
  CHECK(backoff_us(limits, 0, 12'000'001) == 54'000'000);
}
