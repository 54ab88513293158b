// P4: with a proxy nothing but the proxy is dialled, and no name is looked up here.
#include <doctest/doctest.h>

#include "evidence/system/clock.h"
#include "fetchers/http/client.h"
#include "fetchers/proxy.h"
#include "tests/unit/http/local_server.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

namespace {

constexpr char const* answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A proxy of RFC 1928 in a few lines: takes any CONNECT by name, says what was asked for, and answers as the host.
struct Socks {
  std::string asked;  // "name:port"
  bool by_name = false;
  LocalServer server{[this](Visitor& visitor) { serve(visitor); }, LocalServer::First::theirs};

  void serve(Visitor& visitor) {
    std::string const hello = visitor.read_bytes(2);
    if (hello.size() < 2) return;
    visitor.read_bytes(static_cast<unsigned char>(hello[1]));
    visitor.send(std::string("\x05\x00", 2));
    std::string const ask = visitor.read_bytes(5);
    by_name = ask.size() == 5 && ask[3] == 3;
    if (!by_name) return;
    std::string const name = visitor.read_bytes(static_cast<unsigned char>(ask[4]));
    std::string const port = visitor.read_bytes(2);
    if (port.size() < 2) return;
    asked =
        name + ":" + std::to_string(256 * static_cast<unsigned char>(port[0]) + static_cast<unsigned char>(port[1]));
    visitor.send(std::string("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10));
    visitor.read_request();
    visitor.send(answer);
  }
};

struct Fixture {
  SystemClock clock;
  AddressPolicy policy;
  HttpLimits limits;
  Fixture() {
    limits.connect_timeout = 5s;
    limits.timeout = 20s;
  }
  Exchange get(Proxy::Kind kind, std::uint16_t port, std::string const& url, std::optional<Exemption> exempt = {}) {
    HttpClient client{clock, policy, "impound-test/1", Proxy{kind, "127.0.0.1", port}};
    return client.get({Url::parse(url).value(), {}, std::move(exempt)}, limits);
  }
};

}  // namespace

TEST_CASE("P4: a SOCKS proxy is handed the name, and what it says is the exchange") {
  Fixture fixture;
  Socks proxy;
  for (char const* host : {"paste.example", "duskgytldkxiuqc6.onion"}) {
    auto const exchange =
        fixture.get(Proxy::Kind::socks5h, proxy.server.port(), "http://" + std::string(host) + ":81/x");
    REQUIRE_MESSAGE(!exchange.failed, line(*exchange.failed));
    CHECK(proxy.by_name);
    CHECK(proxy.asked == std::string(host) + ":81");
    CHECK(exchange.body == "hello");
    CHECK(exchange.request.starts_with("GET /x HTTP/1.1\r\nHost: "));
    CHECK(exchange.resolved_by_proxy);
    CHECK(exchange.remote_ip.empty());
  }
}

TEST_CASE("P4: an HTTP proxy is asked in the absolute form, and through CONNECT for https") {
  Fixture fixture;
  LocalServer proxy([](Visitor& visitor) { visitor.send(answer); });
  auto const plain = fixture.get(Proxy::Kind::http, proxy.port(), "http://paste.example/x");
  REQUIRE_FALSE(plain.failed);
  CHECK(plain.body == "hello");
  CHECK(plain.request.starts_with("GET http://paste.example/x HTTP/1.1\r\n"));
  LocalServer refusing([](Visitor& visitor) { visitor.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"); });
  auto const tunnel = fixture.get(Proxy::Kind::http, refusing.port(), "https://paste.example/x");
  REQUIRE(tunnel.failed);
  CHECK(tunnel.request.empty());
  CHECK(tunnel.response_head.empty());
  REQUIRE(refusing.requests().size() == 1);
  CHECK(refusing.requests()[0].starts_with("CONNECT paste.example:443 HTTP/1.1\r\n"));
}

TEST_CASE("P4: a proxy that is dead means no answer, and no other way") {
  Fixture fixture;
  std::uint16_t port = 0;
  {
    LocalServer const gone([](Visitor&) {});
    port = gone.port();
  }
  LocalServer host([](Visitor& visitor) { visitor.send(answer); });
  auto const exchange = fixture.get(Proxy::Kind::socks5h, port, host.url("/"), Exemption{"127.0.0.1", host.port()});
  REQUIRE(exchange.failed);
  CHECK(exchange.failed->code == Code::unreachable);
  CHECK(exchange.request.empty());
  CHECK(host.requests().empty());
}

TEST_CASE("P4 and P5: neither local names nor forbidden addresses are asked of a proxy") {
  Fixture fixture;
  Socks proxy;
  for (char const* url : {"http://localhost/", "http://router.local/", "http://intranet/", "http://127.0.0.1/",
                          "http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/"}) {
    auto const exchange = fixture.get(Proxy::Kind::socks5h, proxy.server.port(), url);
    CHECK_MESSAGE(exchange.failed, url);
    if (exchange.failed) CHECK(exchange.failed->code == Code::refused);
  }
  CHECK(proxy.asked.empty());
}

TEST_CASE("a proxy is written with an address, and read back as what it is") {
  for (char const* good : {"socks5h://127.0.0.1:9050", "http://[2001:db8::1]:3128"})
    CHECK(Proxy::parse(good).value().text() == good);
  for (char const* wrong :
       {"", "127.0.0.1:9050", "socks5://127.0.0.1:9050", "socks4://127.0.0.1:1", "socks5h://tor:9050",
        "socks5h://127.0.0.1", "socks5h://127.0.0.1:0", "socks5h://127.0.0.1:65536",
        "socks5h://user:pass@127.0.0.1:9050", "http://127.0.0.1:80/path", "socks5h://[::1:9050"})
    CHECK_MESSAGE(!Proxy::parse(wrong), wrong);
}
