// Bodies that are in no memory, and connections that are kept between requests.
#include <doctest/doctest.h>

#include "evidence/system/clock.h"
#include "fetchers/http/client.h"
#include "tests/unit/http/local_server.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  explicit Fixture(Connections connections = Connections::new_each) : connections_(connections) {
    REQUIRE(policy.allow("127.0.0.1"));
    limits.timeout = 20s;
  }
  HttpRequest sinking(std::string const& url) {
    HttpRequest request{Url::parse(url).value()};
    request.sink = [this](Exchange const& head, std::string_view bytes) {
      status = head.status;
      got += bytes;
      return got.size() < wanted;
    };
    return request;
  }
  SystemClock clock;
  AddressPolicy policy;
  HttpLimits limits;
  std::string got;
  int status = 0;
  std::size_t wanted = std::string::npos;

 private:
  Connections connections_;

 public:
  HttpClient client{clock, policy, "impound-test/1", {}, connections_};
};

auto says(std::string bytes) {
  return [bytes = std::move(bytes)](Visitor& visitor) { visitor.send(bytes); };
}

}  // namespace

TEST_CASE("the body of a 2xx goes to the sink and into no memory") {
  Fixture fixture;
  fixture.limits.bytes_max = 10;  // of what is held
  std::string const body(100'000, 'x');
  LocalServer server(says("HTTP/1.1 206 Partial\r\nContent-Length: 100000\r\n\r\n" + body));
  auto const exchange = fixture.client.get(fixture.sinking(server.url("/")), fixture.limits);
  REQUIRE_FALSE(exchange.failed);
  CHECK(exchange.truncated.empty());
  CHECK(exchange.status == 206);
  CHECK(fixture.status == 206);
  CHECK(fixture.got == body);
  CHECK(exchange.sunk_bytes == body.size());
  CHECK(exchange.response_body.empty());
  CHECK(exchange.body.empty());
}

TEST_CASE("a sink gets the body without its transfer coding") {
  Fixture fixture;
  LocalServer server(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n"));
  auto const exchange = fixture.client.get(fixture.sinking(server.url("/")), fixture.limits);
  CHECK_FALSE(exchange.failed);
  CHECK(exchange.truncated.empty());
  CHECK(fixture.got == "hello you");
}

TEST_CASE("other statuses go to no sink, and are held up to the limit") {
  for (int const status : {301, 404, 416, 503}) {
    Fixture fixture;
    fixture.limits.bytes_max = 4;
    LocalServer server(says("HTTP/1.1 " + std::to_string(status) + " No\r\nContent-Length: 9\r\n\r\nnot found"));
    auto const exchange = fixture.client.get(fixture.sinking(server.url("/")), fixture.limits);
    CHECK(exchange.status == status);
    CHECK(exchange.truncated == "length");
    CHECK(exchange.body == "not ");
    CHECK(fixture.got.empty());
  }
}

TEST_CASE("a sink that wants no more ends the exchange") {
  Fixture fixture;
  fixture.wanted = 1'000;
  LocalServer server(says("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x')));
  auto const exchange = fixture.client.get(fixture.sinking(server.url("/")), fixture.limits);
  CHECK_FALSE(exchange.failed);
  CHECK(exchange.truncated == "unspecified");
  CHECK(fixture.got.size() < 1'000'000);
}

TEST_CASE("a server that leaves early is told though the body went to a sink") {
  Fixture fixture;
  LocalServer server(says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
  auto const exchange = fixture.client.get(fixture.sinking(server.url("/")), fixture.limits);
  CHECK(exchange.truncated == "disconnect");
  CHECK(fixture.got == "half");
}

TEST_CASE("kept connections: the next request to the same origin goes by the same one") {
  std::string const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  std::vector<std::string> second;
  LocalServer server([&](Visitor& visitor) {
    visitor.send(answer);
    second.push_back(visitor.read_request());
    visitor.send(answer);
  });
  for (auto const connections : {Connections::kept, Connections::new_each}) {
    Fixture fixture(connections);
    second.clear();
    std::size_t const before = server.requests().size();
    bool const kept = connections == Connections::kept;
    auto const first = fixture.client.get({Url::parse(server.url("/a")).value()}, fixture.limits);
    CHECK(first.body == "ok");
    if (!kept) {
      CHECK(server.requests().size() == before + 1);
      continue;
    }
    auto const next = fixture.client.get({Url::parse(server.url("/b")).value()}, fixture.limits);
    CHECK(next.body == "ok");
    CHECK(next.request.starts_with("GET /b "));
    CHECK(next.remote_ip == "127.0.0.1");
    CHECK(next.remote_port == server.port());
    CHECK(server.requests().size() == before + 1);  // connections
    REQUIRE(second.size() == 1);
    CHECK(second[0].starts_with("GET /b "));
  }
}

TEST_CASE("kept connections exempt nobody from the address policy") {
  SystemClock clock;
  AddressPolicy const strict;
  LocalServer server(says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  HttpRequest const request{Url::parse(server.url("/")).value(), {}, Exemption{"127.0.0.1", server.port()}};
  HttpClient each{clock, strict, "t"};
  CHECK_FALSE(each.get(request, {}).failed);
  HttpClient kept{clock, strict, "t", {}, Connections::kept};
  auto const exchange = kept.get(request, {});
  REQUIRE(exchange.failed);
  CHECK(exchange.failed->code == Code::refused);
}
