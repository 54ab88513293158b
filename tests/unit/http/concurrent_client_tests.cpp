#include "fetchers/http/concurrent_client.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>

#include "evidence/system/clock.h"
#include "tests/unit/http/local_server.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

namespace {

std::string answer_of(std::string const& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Fixture {
  SystemClock clock;
  AddressPolicy policy;
  std::unique_ptr<ConcurrentClient> client;
  HttpLimits limits;

  explicit Fixture(ConcurrencyLimits const& concurrency = {}, bool allow = true) {
    if (allow) REQUIRE(policy.allow("127.0.0.0/8"));
    auto made = ConcurrentClient::make(clock, policy, "impound-test/1", {}, concurrency);
    REQUIRE(made);
    client = std::move(made).value();
    limits.connect_timeout = 5s;
    limits.timeout = 20s;
  }
  void begin(std::uint64_t number, std::string const& url, std::optional<Exemption> exempt = {}) {
    client->begin(number, {Url::parse(url).value(), {}, exempt}, limits);
  }
  std::map<std::uint64_t, Exchange> all() {
    std::map<std::uint64_t, Exchange> got;
    auto const end = std::chrono::steady_clock::now() + 30s;
    while (client->under_way() > 0) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      client->run(1s);
      for (auto& one : client->take()) CHECK(got.emplace(one.number, std::move(one.exchange)).second);
    }
    return got;
  }
};

std::optional<Code> failure(Exchange const& exchange) {
  return exchange.failed ? std::optional{exchange.failed->code} : std::nullopt;
}

std::size_t descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{}));
}

}  // namespace

TEST_CASE("many requests at once each have their own exchange, also when one server keeps all others waiting") {
  // Each answers only when the one after it was asked: in turn they would never end.
  std::vector<std::unique_ptr<LocalServer>> servers;
  std::vector<std::atomic<bool>> asked(20);
  for (std::size_t i = 0; i < asked.size(); ++i)
    servers.push_back(std::make_unique<LocalServer>([&, i](Visitor& visitor) {
      asked[i] = true;
      asked[i].notify_all();
      if (i + 1 < asked.size()) asked[i + 1].wait(false);
      visitor.send(answer_of("from " + std::to_string(i)));
    }));
  Fixture fixture;
  for (std::size_t i = 0; i < servers.size(); ++i) fixture.begin(i, servers[i]->url("/" + std::to_string(i)));
  CHECK(fixture.client->under_way() == servers.size());
  auto const got = fixture.all();
  REQUIRE(got.size() == servers.size());
  for (auto const& [number, exchange] : got) {
    CHECK_FALSE(exchange.failed);
    CHECK(exchange.body == "from " + std::to_string(number));
    CHECK(exchange.request.starts_with("GET /" + std::to_string(number) + " HTTP/1.1\r\n"));
    CHECK(exchange.remote_port == servers[number]->port());
  }
}

TEST_CASE("requests to one host share its connections") {
  std::atomic<int> connections = 0;
  LocalServer server([&](Visitor& visitor) {
    ++connections;
    visitor.send(answer_of("1"));
    while (!visitor.read_request().empty()) visitor.send(answer_of("2"));
  });
  Fixture fixture({8, 1});
  for (std::uint64_t i = 0; i < 50; ++i) fixture.begin(i, server.url("/" + std::to_string(i)));
  auto const got = fixture.all();
  CHECK(got.size() == 50);
  for (auto const& [number, exchange] : got) {
    CHECK_FALSE(exchange.failed);
    CHECK(exchange.status == 200);
  }
  CHECK(connections == 1);
}

TEST_CASE("P5: a connection that an exemption opened serves nobody else") {
  for (std::string const host : {"127.0.0.1", "localhost"}) {  // a literal is judged before; a name when it is dialled
    INFO(host);
    LocalServer server([&](Visitor& visitor) {
      visitor.send(answer_of("1"));
      while (!visitor.read_request().empty()) visitor.send(answer_of("2"));
    });
    std::string const url = "http://" + host + ":" + std::to_string(server.port()) + "/";
    Fixture fixture({}, false);
    fixture.begin(1, url, Exemption{host, server.port()});
    CHECK(fixture.all().at(1).body == "1");
    fixture.begin(2, url);
    CHECK(failure(fixture.all().at(2)) == Code::refused);
    fixture.begin(3, url, Exemption{host, 1});
    CHECK(failure(fixture.all().at(3)) == Code::refused);
    fixture.begin(4, url, Exemption{host, server.port()});
    CHECK(fixture.all().at(4).body == "2");
    CHECK(server.requests().size() == 1);  // connections
  }
}

TEST_CASE("what cannot be asked ends at once, and does not touch the others") {
  LocalServer server([](Visitor& visitor) { visitor.send(answer_of("fine")); });
  Fixture fixture;
  fixture.begin(1, "http://10.0.0.1/");
  fixture.begin(2, "http://somewhere.onion/");
  fixture.begin(3, server.url("/"));
  auto const got = fixture.all();
  CHECK(failure(got.at(1)) == Code::refused);
  CHECK(failure(got.at(2)) == Code::refused);
  CHECK(got.at(3).body == "fine");
}

TEST_CASE("P6: silence, drip and garbage beside good answers end at their deadlines") {
  LocalServer silent([](Visitor& visitor) { visitor.wait_until_gone(); });
  LocalServer half([](Visitor& visitor) {
    visitor.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    visitor.wait_until_gone();
  });
  LocalServer garbage([](Visitor& visitor) { visitor.send("\x16\x03\x01garbage\r\n\r\n"); });
  LocalServer gone([](Visitor&) {});
  LocalServer good([](Visitor& visitor) { visitor.send(answer_of("good")); });
  Fixture fixture;
  fixture.limits.timeout = 500ms;
  fixture.begin(1, silent.url("/"));
  fixture.begin(2, half.url("/"));
  fixture.begin(3, garbage.url("/"));
  fixture.begin(4, gone.url("/"));
  fixture.begin(5, good.url("/"));
  auto const got = fixture.all();
  CHECK(failure(got.at(1)) == Code::timeout);
  CHECK(got.at(2).truncated == "time");
  CHECK(got.at(2).response_body == "half");
  CHECK(got.at(3).failed);
  CHECK(failure(got.at(4)) == Code::unreachable);
  CHECK(got.at(5).body == "good");
}

TEST_CASE("a wake ends the waiting, and a client that goes away in the middle leaves nothing open") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::size_t const before = descriptors();
  {
    LocalServer silent([](Visitor& visitor) { visitor.wait_until_gone(); });
    Fixture fixture;
    fixture.begin(1, silent.url("/"));
    while (silent.requests().empty()) fixture.client->run(10ms);
    REQUIRE(write(ends[1], "x", 1) == 1);
    auto const begun = std::chrono::steady_clock::now();
    fixture.client->run(20s, ends[0]);
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
    CHECK(fixture.client->under_way() == 1);
  }
  CHECK(descriptors() == before);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("memory and descriptors do not grow with the number of requests") {
  LocalServer server([&](Visitor& visitor) {
    visitor.send(answer_of("1"));
    while (!visitor.read_request().empty()) visitor.send(answer_of("2"));
  });
  Fixture fixture;
  auto const ask = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      fixture.begin(i, server.url("/"));
      fixture.all();
    }
    return descriptors();
  };
  std::size_t const early = ask(20);
  CHECK(ask(500) == early);
}
