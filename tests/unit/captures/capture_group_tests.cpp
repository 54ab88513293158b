#include "agent/work/capture_group.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <set>

#include "tests/unit/captures/vault_of_one_run.h"
#include "tests/unit/http/local_server.h"

namespace impound::agent {
namespace {

using namespace std::chrono_literals;
using fetchers::LocalServer;
using fetchers::Url;
using fetchers::Visitor;

std::string answer_of(std::string const& body, std::string const& status = "200 OK", std::string const& more = {}) {
  return "HTTP/1.1 " + status +
         "\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + more + "\r\n" + body;
}

struct Scene {
  test::VaultOfOneRun vault;
  fetchers::AddressPolicy policy;
  Routes routes = Routes::of({}).value();
  std::unique_ptr<CaptureGroup> group;
  struct Got {
    Captured captured;
  };
  std::map<std::string, Got> got;  // by key
  std::atomic<bool> stopping = false;

  explicit Scene(CaptureGroupLimits const& limits = {}) {
    vault.settings.capture_timeout = 2s;
    REQUIRE(policy.allow("127.0.0.0/8"));
    auto made = CaptureGroup::make(
        *vault.session, vault.settings, routes, policy, [this] { return stopping.load(); }, limits);
    REQUIRE(made);
    group = std::move(made).value();
  }
  static CaptureOrder order(std::string const& key, std::string const& url, std::string const& title = {}) {
    CaptureOrder one{.url = Url::parse(url).value()};
    one.source = "test";
    one.key = key;
    one.title = title;
    return one;
  }
  Result<void> begin(std::vector<CaptureOrder> orders) {
    std::vector<CaptureWish> wishes;
    for (CaptureOrder& order : orders) {
      bool const dropped = order.title == "dropped";
      wishes.push_back({order, [dropped](Captured&) { return !dropped; },
                        [this, key = order.key](Captured& captured) {
                          CHECK_MESSAGE(got.emplace(key, Got{std::move(captured)}).second, key);
                          return ok();
                        }});
    }
    return group->begin(std::move(wishes));
  }
  void step(std::chrono::milliseconds wait) {
    auto const done = group->run(wait);
    REQUIRE_MESSAGE(done, line(done.error()));
  }
  void work_off() {
    auto const end = std::chrono::steady_clock::now() + 60s;
    while (group->under_way() > 0) {
      REQUIRE_MESSAGE(std::chrono::steady_clock::now() < end, "it does not end");
      step(1s);
    }
  }
};

TEST_CASE("many captures of several servers end with one durable result each, whatever becomes of them") {
  LocalServer pages([](Visitor& visitor) {
    if (visitor.path.starts_with("/missing")) return visitor.send(answer_of("no such page", "404 Not Found"));
    visitor.send(answer_of("page " + visitor.path + std::string(2'000, 'x')));
  });
  LocalServer other([&](Visitor& visitor) {
    if (visitor.path.starts_with("/moved"))
      return visitor.send(answer_of("", "302 Found", "Location: " + pages.url("/target" + visitor.path) + "\r\n"));
    visitor.send(answer_of("other " + visitor.path));
  });
  LocalServer closing([](Visitor&) {});
  LocalServer silent([](Visitor& visitor) { visitor.wait_until_gone(); });
  Scene scene({.group_max = 8});
  std::vector<CaptureOrder> orders;
  for (int i = 0; i < 17; ++i) {
    std::string const number = std::to_string(i);
    orders.push_back(Scene::order("page " + number, pages.url("/" + number)));
    orders.push_back(Scene::order("other " + number, other.url("/" + number)));
  }
  for (int i = 0; i < 5; ++i) {
    std::string const number = std::to_string(i);
    orders.push_back(Scene::order("missing " + number, pages.url("/missing" + number)));
    orders.push_back(Scene::order("moved " + number, other.url("/moved" + number)));
  }
  for (int i = 0; i < 3; ++i) orders.push_back(Scene::order("closed " + std::to_string(i), closing.url("/")));
  for (int i = 0; i < 2; ++i) orders.push_back(Scene::order("silent " + std::to_string(i), silent.url("/")));
  orders.push_back(Scene::order("dropped", other.url("/dropped"), "dropped"));
  std::size_t const count = orders.size();
  CHECK(count == 50);

  REQUIRE(scene.begin(std::move(orders)));
  CHECK(pages.requests().empty());
  CHECK(scene.vault.entries({"capture.attempt"}).size() == count);
  CHECK(scene.group->under_way() == count);
  scene.work_off();

  REQUIRE(scene.got.size() == count);
  std::set<EntryId> results;
  for (auto const& [key, one] : scene.got) {
    INFO(key, ": ", one.captured.problem);
    REQUIRE(one.captured.result);
    results.insert(*one.captured.result);
    bool const fails = key.starts_with("missing") || key.starts_with("closed") || key.starts_with("silent");
    CHECK(one.captured.usable == !fails);
  }
  CHECK(results.size() == count);
  CHECK(scene.got.at("moved 3").captured.body.starts_with("page /target/moved3"));
  CHECK(scene.got.at("missing 1").captured.problem == "status 404");
  CHECK(scene.got.at("silent 0").captured.problem.find("no answer in time") != std::string::npos);

  std::map<std::string, std::size_t> records;  // by attempt
  for (auto const& entry : scene.vault.entries({"capture.attempt", "capture.result"})) {
    if (entry.kind() == "capture.attempt") continue;
    auto const of = entry.of()->text();
    Json const& body = entry.body();
    CHECK(records.emplace(of, body.contains("records") ? body["records"].size() : 0).second);
    CHECK(results.contains(entry.id()));
    CHECK(body["kept"].get<bool>() == body.contains("records"));
  }
  CHECK(records.size() == count);
  std::size_t all = 0;
  for (auto const& [attempt, some] : records) all += some;
  // 34 pages, 5 that are missing, 5 of two hops; one warcinfo.
  CHECK(all == 34 * 3 + 5 * 3 + 5 * 6 + 1);
  auto const verdict = scene.vault.verify();
  INFO(verdict.to_json().dump(2));
  CHECK(verdict.ok());
}

TEST_CASE("a host whose circuit is open is left alone, and what waits for it too long ends as failed") {
  LocalServer closing([](Visitor&) {});
  LocalServer pages([](Visitor& visitor) { visitor.send(answer_of("a page")); });
  CaptureGroupLimits limits;
  limits.of_host_max = 1;
  Scene scene(limits);
  std::vector<CaptureOrder> orders;
  for (int i = 0; i < 8; ++i) orders.push_back(Scene::order("closed " + std::to_string(i), closing.url("/")));
  orders.push_back(Scene::order("page", pages.url("/")));
  REQUIRE(scene.begin(std::move(orders)));
  auto const end = std::chrono::steady_clock::now() + 30s;
  while (scene.got.size() < 6 && std::chrono::steady_clock::now() < end) scene.step(100ms);
  CHECK(scene.got.size() == 6);
  CHECK(scene.got.contains("page"));
  CHECK(scene.group->under_way() == 3);
  CHECK(closing.requests().size() == 5);
  scene.step(100ms);  // nothing more happens while the clock stands
  CHECK(scene.group->under_way() == 3);
  scene.vault.clock.advance(2'000'000);
  scene.work_off();
  CHECK(closing.requests().size() == 5);
  REQUIRE(scene.got.size() == 9);
  CHECK(scene.got.at("closed 7").captured.problem.find("is not asked for a while") != std::string::npos);
  CHECK(scene.got.at("closed 7").captured.result);
  CHECK(scene.vault.verify().ok());
}

TEST_CASE("a pace holds between two requests to one host, and 429 with Retry-After quietens it") {
  std::atomic<int> asked = 0;
  LocalServer pages([&](Visitor& visitor) {
    if (++asked == 2) return visitor.send(answer_of("", "429 Too Many Requests", "Retry-After: 1\r\n"));
    visitor.send(answer_of("a page"));
  });
  CaptureGroupLimits limits;
  limits.pace = 1s;
  limits.manners.first_backoff = 1s;
  Scene scene(limits);
  std::vector<CaptureOrder> orders;
  for (int i = 0; i < 3; ++i) orders.push_back(Scene::order(std::to_string(i), pages.url("/")));
  REQUIRE(scene.begin(std::move(orders)));
  auto const until = [&](std::size_t count) {
    auto const end = std::chrono::steady_clock::now() + 30s;
    while (scene.got.size() < count && std::chrono::steady_clock::now() < end) scene.step(20ms);
    scene.step(50ms);
    CHECK(scene.got.size() == count);
  };
  until(1);
  scene.vault.clock.advance(999'000);
  until(1);
  scene.vault.clock.advance(1'000);
  until(2);
  CHECK(scene.got.at("1").captured.status == 429);
  scene.vault.clock.advance(2'200'000);
  until(3);
}

TEST_CASE("cancelled, all that is under way or waits ends with its result, and looks are told, too") {
  LocalServer silent([](Visitor& visitor) { visitor.wait_until_gone(); });
  CaptureGroupLimits limits;
  limits.of_host_max = 2;
  Scene scene(limits);
  scene.vault.settings.capture_timeout = 60s;
  std::vector<CaptureOrder> orders;
  for (int i = 0; i < 5; ++i) orders.push_back(Scene::order(std::to_string(i), silent.url("/")));
  REQUIRE(scene.begin(std::move(orders)));
  std::string looked;
  REQUIRE(scene.group->look({.route = {},
                             .request = {.url = Url::parse(silent.url("/look")).value()},
                             .then = [&](std::vector<fetchers::Exchange>& hops) {
                               looked = hops.back().failed ? line(*hops.back().failed) : "answered";
                               return ok();
                             }}));
  auto const end = std::chrono::steady_clock::now() + 30s;
  while (silent.requests().empty() && std::chrono::steady_clock::now() < end) scene.step(20ms);
  scene.stopping = true;
  scene.work_off();
  CHECK(silent.requests().size() <= 2);
  CHECK(looked.find("stopped") != std::string::npos);
  REQUIRE(scene.got.size() == 5);
  for (auto const& [key, one] : scene.got)
    CHECK_MESSAGE(one.captured.problem.find("stopped") != std::string::npos, key);
  CHECK(scene.vault.entries({"capture.result"}).size() == 5);
}

TEST_CASE("a look gives its answer and leaves nothing in the log; it follows as many redirects as it is told to") {
  LocalServer pages([](Visitor& visitor) {
    if (visitor.path.starts_with("/moved")) return visitor.send(answer_of("", "302 Found", "Location: /there\r\n"));
    visitor.send(answer_of("page " + visitor.path));
  });
  Scene scene;
  std::map<std::size_t, std::vector<fetchers::Exchange>> came;
  for (std::size_t const redirects : {std::size_t{0}, std::size_t{1}})
    REQUIRE(scene.group->look({.route = {},
                               .request = {.url = Url::parse(pages.url("/moved")).value()},
                               .redirects_max = redirects,
                               .then = [&, redirects](std::vector<fetchers::Exchange>& hops) {
                                 came[redirects] = std::move(hops);
                                 return ok();
                               }}));
  CHECK(scene.group->under_way() == 2);
  scene.work_off();
  REQUIRE(came.at(0).size() == 1);
  CHECK(came.at(0)[0].status == 302);
  REQUIRE(came.at(1).size() == 2);
  CHECK(came.at(1)[1].body == "page /there");
  CHECK(scene.vault.entries({"capture.attempt", "capture.result"}).empty());
  CHECK(scene.group->look({.route = "nowhere", .request = {.url = Url::parse(pages.url("/")).value()}, .then = nullptr})
            .error()
            .code == Code::usage);
}

TEST_CASE("what ends with captures under way leaves their attempts open, and the next start closes them") {
  LocalServer silent([](Visitor& visitor) { visitor.wait_until_gone(); });
  Scene scene;
  std::vector<CaptureOrder> orders;
  for (int i = 0; i < 3; ++i) orders.push_back(Scene::order(std::to_string(i), silent.url("/")));
  REQUIRE(scene.begin(std::move(orders)));
  scene.step(0ms);
  scene.group.reset();
  CHECK(scene.vault.entries({"capture.result"}).empty());
  scene.vault.begin_run();
  auto const results = scene.vault.entries({"capture.result"});
  REQUIRE(results.size() == 3);
  for (auto const& one : results) CHECK(one.text("outcome") == "interrupted");
}

}  // namespace
}  // namespace impound::agent
