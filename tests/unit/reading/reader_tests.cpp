// The agent's side, with the real worker and with one that was taken over.
#include "fetchers/reading/reader.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <string>

using namespace impound;
using namespace impound::fetchers;

namespace {

constexpr char const* magnet = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056";

ReaderSettings hostile() {
  ReaderSettings settings{BUILD_ROOT "/tests/hostile_reader"};
  settings.limits.time_max = settings.late_after = std::chrono::milliseconds{300};
  return settings;
}

PageFacts ordered(Reader& reader, std::string const& order) {
  return reader.read({.content_type = order}, nullptr, "body");
}

bool refused_by_reader(PageFacts const& facts) {
  return facts.refusals.size() == 1 && facts.refusals[0].why == Refused::reader;
}

}  // namespace

TEST_CASE("pages one after the other from one worker, many references in chunks") {
  Reader reader{{BUILD_ROOT "/impound-reader-worker"}};
  auto const first = reader.read({}, nullptr, std::string("see ") + magnet);
  REQUIRE_MESSAGE(first.whole(), first.refusals[0].detail);
  REQUIRE(first.found.size() == 1);
  CHECK(first.found[0].reference.canonical == magnet);
  pid_t const worker = reader.worker();
  std::string many;
  for (int i = 0; i < 9'000; ++i) many += "http://x.invalid/" + std::to_string(i) + ".torrent\n";
  auto const second = reader.read({}, nullptr, many);
  CHECK(second.whole());
  CHECK(second.found.size() == 9'000);
  CHECK(second.media_type == "text/plain");
  CHECK(reader.read({}, nullptr, "").whole());
  CHECK(reader.worker() == worker);
  CHECK_FALSE(reader.take_ended());
}

TEST_CASE("P6: a worker that dies, hangs, lies or floods costs its page a refusal, and the next has a new worker") {
  Reader reader{hostile()};
  for (std::string const order :
       {"die", "sleep", "flood", "lie magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056"}) {
    CAPTURE(order);
    auto const facts = ordered(reader, order);
    CHECK(refused_by_reader(facts));
    CHECK(facts.found.size() <= ReaderLimits{}.references_max);
    auto const ended = reader.take_ended();
    REQUIRE(ended);
    CHECK(ended->end.why.empty() == (order == "die"));
    CHECK_FALSE(reader.take_ended());
    CHECK(reader.worker() == -1);
    CHECK(ordered(reader, "nothing").whole());
  }
  Reader real_one{{BUILD_ROOT "/impound-reader-worker"}};
  CHECK(real_one.read({}, nullptr, "x").whole());
  pid_t const worker = real_one.worker();
  REQUIRE(worker > 1);  // kill(-1) would end everything
  ::kill(worker, SIGKILL);
  auto const next = real_one.read({}, nullptr, "x");  // whether its end is seen before or after the page is sent
  CHECK((next.whole() || refused_by_reader(next)));
  CHECK(real_one.take_ended());
  CHECK(real_one.read({}, nullptr, magnet).found.size() == 1);
}

TEST_CASE("a worker that has read many pages is replaced, and nobody hears of it") {
  ReaderSettings settings{BUILD_ROOT "/impound-reader-worker"};
  settings.pages_of_a_worker_max = 2;
  Reader reader{settings};
  std::vector<pid_t> workers;
  for (int page = 0; page < 4; ++page) {
    CHECK(reader.read({}, nullptr, magnet).found.size() == 1);
    CHECK_FALSE(reader.take_ended());
    workers.push_back(reader.worker());
  }
  CHECK(workers[0] > 1);
  CHECK(workers[1] == -1);
  CHECK(workers[2] > 1);
  CHECK(workers[2] != workers[0]);
}

TEST_CASE("a worker that is not there is a refusal, too") {
  Reader reader{{"/nowhere/impound-reader-worker"}};
  auto const facts = ordered(reader, "x");
  CHECK(refused_by_reader(facts));
  CHECK(facts.refusals[0].detail.find("cannot start") != std::string::npos);
}

TEST_CASE("P6: a reader that was taken over has no file, no network, no other process, and cannot change its page") {
  Reader reader{hostile()};
  auto const facts = ordered(reader, "reach /etc/passwd /etc/hostname " SOURCE_ROOT "/README.md /tmp /proc/self/mem .");
  REQUIRE_MESSAGE(facts.whole(), facts.refusals[0].detail);
  CHECK(facts.found.size() == 6 * 8 + 2 + 15 + 1 + 6);
  for (FoundReference const& way : facts.found) {
    std::string const& url = way.reference.url;
    // EPERM, EACCES, EAFNOSUPPORT, ENOSYS: refused. Anything else means that somebody looked.
    bool const refused = url.ends_with("-1.torrent") || url.ends_with("-13.torrent") || url.ends_with("-38.torrent");
    CHECK_MESSAGE(refused, url);
  }
}
