#include "fetchers/http/client.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "evidence/system/clock.h"
#include "tests/unit/http/local_server.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  SystemClock clock;
  AddressPolicy policy;
  HttpClient client{clock, policy, "impound-test/1"};
  HttpLimits limits;

  Fixture() {
    limits.connect_timeout = 5s;
    limits.timeout = 20s;
  }
  HttpRequest exempt(LocalServer const& server, std::string_view path) {
    return {Url::parse(server.url(path)).value(), {}, Exemption{"127.0.0.1", server.port()}};
  }
  Exchange get(LocalServer const& server) { return client.get(exempt(server, "/"), limits); }
};

std::string ok_head(std::string_view headers) { return "HTTP/1.1 200 OK\r\n" + std::string(headers) + "\r\n"; }

auto says(std::string bytes) {
  return [bytes = std::move(bytes)](Visitor& visitor) { visitor.send(bytes); };
}

}  // namespace

TEST_CASE("an exchange is kept byte for byte") {
  Fixture fixture;
  std::string const head = ok_head("Content-Length: 5\r\nContent-Type: text/plain\r\nX-Odd:   spaced \r\n");
  LocalServer server(says(head + "hello"));
  auto request = fixture.exempt(server, "/a?b=c");
  request.headers = {{"X-Token", "t"}};
  auto const exchange = fixture.client.get(request, fixture.limits);
  REQUIRE_FALSE(exchange.failed);
  CHECK(exchange.url == server.url("/a?b=c"));
  CHECK(exchange.status == 200);
  CHECK(exchange.http_version == "1.1");
  CHECK(exchange.response_head == head);
  CHECK(exchange.response_body == "hello");
  CHECK(exchange.body == "hello");
  CHECK(exchange.truncated.empty());
  CHECK(exchange.header("content-TYPE") == "text/plain");
  CHECK_FALSE(exchange.header("nothing"));
  CHECK(exchange.remote_ip == "127.0.0.1");
  CHECK(exchange.remote_port == server.port());
  CHECK(exchange.started_us <= exchange.ended_us);
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0] == exchange.request);
  CHECK(exchange.request.starts_with("GET /a?b=c HTTP/1.1\r\n"));
  CHECK(exchange.request.find("User-Agent: impound-test/1\r\n") != std::string::npos);
  CHECK(exchange.request.find("X-Token: t\r\n") != std::string::npos);
  CHECK(exchange.request.find("Accept-Encoding") == std::string::npos);
}

TEST_CASE("what is posted is sent whole, once, and stands in the exchange") {
  Fixture fixture;
  std::string got;
  LocalServer server([&](Visitor& visitor) {
    got = visitor.read_bytes(6);
    visitor.send(ok_head("Content-Length: 2\r\n") + "ok");
  });
  auto request = fixture.exempt(server, "/tsr");
  request.headers = {{"Content-Type", "application/timestamp-query"}};
  std::string const body("\0query", 6);
  auto const exchange = fixture.client.post(request, body, fixture.limits);
  REQUIRE_FALSE(exchange.failed);
  CHECK(exchange.body == "ok");
  CHECK(got == body);
  REQUIRE(server.requests().size() == 1);
  CHECK(exchange.request == server.requests()[0] + body);
  CHECK(exchange.request.starts_with("POST /tsr HTTP/1.1\r\n"));
  CHECK(exchange.request.find("Content-Type: application/timestamp-query\r\n") != std::string::npos);
  CHECK(exchange.request.find("Content-Length: 6\r\n") != std::string::npos);
}

TEST_CASE("a chunked body is kept as received and told decoded") {
  Fixture fixture;
  std::string const body = "4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\nX-Trailer: late\r\n\r\n";
  std::string const head = ok_head("Transfer-Encoding: chunked\r\n");
  LocalServer server(says(head + body));
  auto const exchange = fixture.get(server);
  REQUIRE_FALSE(exchange.failed);
  CHECK(exchange.chunked);
  CHECK(exchange.response_head == head);
  CHECK(exchange.response_body == body);
  CHECK(exchange.body == "Wikipedia");
  CHECK(exchange.truncated.empty());
}

TEST_CASE("a chunked body that ends early is a disconnect") {
  Fixture fixture;
  for (char const* const body : {"", "4\r\nWi", "4\r\nWiki\r\n", "4\r\nWiki\r\n0\r\n"}) {
    INFO(body);
    LocalServer server(says(ok_head("Transfer-Encoding: chunked\r\n") + body));
    auto const exchange = fixture.get(server);
    CHECK_FALSE(exchange.failed);
    CHECK(exchange.truncated == "disconnect");
    CHECK(exchange.response_body == body);
    CHECK(std::string("Wiki").starts_with(exchange.body));
  }
}

TEST_CASE("a broken chunked coding fails the exchange and keeps the bytes") {
  Fixture fixture;
  LocalServer server(says(ok_head("Transfer-Encoding: chunked\r\n") + "4\r\nWiki\r\nzz\r\n"));
  auto const exchange = fixture.get(server);
  REQUIRE(exchange.failed);
  CHECK(exchange.failed->code == Code::malformed);
  CHECK(exchange.status == 200);
  CHECK(exchange.body == "Wiki");
  CHECK(exchange.response_body.starts_with("4\r\nWiki\r\n"));
}

TEST_CASE("a content coding stays on") {
  Fixture fixture;
  LocalServer server(
      says(ok_head("Content-Encoding: gzip\r\nContent-Length: 4\r\n") + std::string("\x1f\x8b\x08\x00", 4)));
  auto const exchange = fixture.get(server);
  CHECK_FALSE(exchange.failed);
  CHECK(exchange.body == std::string("\x1f\x8b\x08\x00", 4));
}

TEST_CASE(
    "a Content-Length that promises more than comes is a disconnect, one that promises less ends the body there") {
  Fixture fixture;
  LocalServer longer(says(ok_head("Content-Length: 100\r\n") + "short"));
  auto const cut = fixture.get(longer);
  CHECK_FALSE(cut.failed);
  CHECK(cut.truncated == "disconnect");
  CHECK(cut.body == "short");
  LocalServer shorter(says(ok_head("Content-Length: 3\r\n") + "longer"));
  auto const ended = fixture.get(shorter);
  CHECK_FALSE(ended.failed);
  CHECK(ended.truncated.empty());
  CHECK(ended.body == "lon");
}

TEST_CASE("without a length the body goes to the end of the connection") {
  Fixture fixture;
  LocalServer server(says("HTTP/1.0 200 OK\r\n\r\nall of it"));
  auto const exchange = fixture.get(server);
  CHECK_FALSE(exchange.failed);
  CHECK(exchange.http_version == "1.0");
  CHECK(exchange.body == "all of it");
  CHECK(exchange.truncated.empty());
}

TEST_CASE("204 has no body, interim heads are kept apart") {
  Fixture fixture;
  LocalServer server(says("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n"));
  auto const exchange = fixture.get(server);
  CHECK_FALSE(exchange.failed);
  CHECK(exchange.status == 204);
  CHECK(exchange.interim_heads == "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
  CHECK(exchange.response_head == "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n");
  CHECK(exchange.body.empty());
}

TEST_CASE("no cookie comes back") {
  Fixture fixture;
  LocalServer server(says(ok_head("Set-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n")));
  fixture.get(server);
  fixture.get(server);
  REQUIRE(server.requests().size() == 2);
  CHECK(server.requests()[1].find("Cookie") == std::string::npos);
}

TEST_CASE("P6: garbage, silence and half a head are errors") {
  Fixture fixture;
  for (std::string const& bytes : {std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string(), std::string(4096, '\0'),
                                   std::string("HTTP/1.1 200 OK\r\nX: y\r\n"), std::string("<html>hello</html>")}) {
    LocalServer server(says(bytes));
    auto const exchange = fixture.get(server);
    INFO(bytes);
    CHECK(exchange.failed);
    CHECK(exchange.status == 0);
    CHECK(exchange.body.empty());
  }
}

TEST_CASE("P6: a head of 1 MiB is cut off, in one line or in many") {
  Fixture fixture;
  std::string many = "HTTP/1.1 200 OK\r\n";
  while (many.size() < (1u << 20)) many += "X-Header: " + std::string(100, 'x') + "\r\n";
  for (std::string const& bytes : {many, "HTTP/1.1 200 OK\r\nX: " + std::string(1u << 20, 'x')}) {
    LocalServer server(says(bytes + "\r\n\r\nbody"));
    auto const exchange = fixture.get(server);
    REQUIRE(exchange.failed);
    CHECK(exchange.failed->code == Code::refused);
    CHECK(exchange.response_head.size() <= fixture.limits.head_bytes_max);
    CHECK(exchange.body.empty());
  }
}

TEST_CASE("P6: a body beyond the limit is cut there and says so") {
  Fixture fixture;
  fixture.limits.bytes_max = 1000;
  for (char const* const framing : {"Content-Length: 5000\r\n", "Transfer-Encoding: chunked\r\n", ""}) {
    INFO(framing);
    LocalServer server([&](Visitor& visitor) {
      visitor.send(ok_head(framing) + (std::string_view(framing).starts_with('T') ? "1388\r\n" : "") +
                   std::string(5000, 'b'));
    });
    auto const exchange = fixture.get(server);
    CHECK_FALSE(exchange.failed);
    CHECK(exchange.truncated == "length");
    CHECK(exchange.response_body.size() == 1000);
    CHECK(exchange.body.size() >= 990);
  }
  fixture.limits.bytes_max = 5;
  LocalServer exact(says(ok_head("Content-Length: 5\r\n") + "12345"));
  CHECK(fixture.get(exact).truncated.empty());
}

TEST_CASE("P6: a server that drips is left at the deadline with what it gave") {
  Fixture fixture;
  fixture.limits.timeout = 300ms;
  LocalServer server([](Visitor& visitor) {
    visitor.send(ok_head("Content-Length: 1000\r\n") + "drip");
    visitor.wait_until_gone();
  });
  auto const exchange = fixture.get(server);
  CHECK_FALSE(exchange.failed);
  CHECK(exchange.truncated == "time");
  CHECK(exchange.body == "drip");
  LocalServer silent([](Visitor& visitor) { visitor.wait_until_gone(); });
  auto const nothing = fixture.get(silent);
  REQUIRE(nothing.failed);
  CHECK(nothing.failed->code == Code::timeout);
}

TEST_CASE("a transfer stops when it is cancelled") {
  Fixture fixture;
  fixture.limits.cancelled = [] { return true; };
  LocalServer server([](Visitor& visitor) { visitor.wait_until_gone(); });
  auto const exchange = fixture.get(server);
  REQUIRE(exchange.failed);
  CHECK(exchange.failed->code == Code::cancelled);
}

TEST_CASE("a port where nobody listens is unreachable") {
  Fixture fixture;
  std::uint16_t port = 0;
  {
    LocalServer gone(says(""));
    port = gone.port();
  }
  HttpRequest const request{
      Url::parse("http://127.0.0.1:" + std::to_string(port) + "/").value(), {}, Exemption{"127.0.0.1", port}};
  auto const exchange = fixture.client.get(request, fixture.limits);
  REQUIRE(exchange.failed);
  CHECK(exchange.failed->code == Code::unreachable);
  CHECK(exchange.request.empty());
}

TEST_CASE("a header that would smuggle another is not sent") {
  Fixture fixture;
  LocalServer server(says(ok_head("Content-Length: 0\r\n")));
  for (auto const& header :
       {std::pair<std::string, std::string>{"X", "a\r\nY: b"}, {"X\r\nY", "a"}, {"", "a"}, {"X Y", "a"}}) {
    auto request = fixture.exempt(server, "/");
    request.headers = {header};
    auto const exchange = fixture.client.get(request, fixture.limits);
    REQUIRE(exchange.failed);
    CHECK(exchange.failed->code == Code::refused);
  }
  CHECK(server.requests().empty());
}

TEST_CASE("P5: loopback is refused in every spelling, by name, too, and nothing is sent") {
  Fixture fixture;
  LocalServer server(says(ok_head("Content-Length: 0\r\n")));
  std::string const port = std::to_string(server.port());
  for (char const* const host : {"127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]",
                                 "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "0"}) {
    INFO(host);
    auto const exchange =
        fixture.client.get({Url::parse("http://" + std::string(host) + ":" + port + "/").value()}, fixture.limits);
    REQUIRE(exchange.failed);
    CHECK(exchange.failed->code == Code::refused);
    CHECK(exchange.failed->what.find("not public") != std::string::npos);
    CHECK(exchange.request.empty());
  }
  CHECK(server.requests().empty());
}

TEST_CASE("P5: what --allow-net opens is reached, by name, too") {
  Fixture fixture;
  LocalServer server(says(ok_head("Content-Length: 2\r\n") + "ok"));
  REQUIRE(fixture.policy.allow("127.0.0.1/32:" + std::to_string(server.port())));
  for (char const* const host : {"127.0.0.1", "localhost"}) {
    auto const exchange = fixture.client.get(
        {Url::parse("http://" + std::string(host) + ":" + std::to_string(server.port()) + "/").value()},
        fixture.limits);
    CHECK_FALSE(exchange.failed);
    CHECK(exchange.body == "ok");
    CHECK(exchange.remote_ip == "127.0.0.1");
  }
}

TEST_CASE("P5: an exemption holds for its own host and port, and leaves no connection behind for others") {
  Fixture fixture;
  LocalServer server(says(ok_head("Content-Length: 2\r\n") + "ok"));
  LocalServer other(says(ok_head("Content-Length: 2\r\n") + "no"));
  CHECK(fixture.get(server).body == "ok");
  auto const without = fixture.client.get({Url::parse(server.url("/")).value()}, fixture.limits);
  CHECK(without.failed);
  for (auto const& exemption : {Exemption{"127.0.0.1", server.port()}, Exemption{"localhost", other.port()}}) {
    auto const elsewhere = fixture.client.get({Url::parse(other.url("/")).value(), {}, exemption}, fixture.limits);
    CHECK(elsewhere.failed);
  }
  CHECK(other.requests().empty());
}

TEST_CASE("P5: a redirect from an exempt host to another loopback port is refused and told") {
  Fixture fixture;
  LocalServer victim(says(ok_head("Content-Length: 6\r\n") + "secret"));
  for (std::string const host : {"127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "127.0.0.2"}) {
    INFO(host);
    std::string const target = "http://" + host + ":" + std::to_string(victim.port()) + "/";
    LocalServer server(says("HTTP/1.1 302 Found\r\nLocation: " + target + "\r\nContent-Length: 0\r\n\r\n"));
    auto const chain = fixture.client.follow(fixture.exempt(server, "/"), fixture.limits);
    REQUIRE(chain.size() == 2);
    CHECK(chain[0].status == 302);
    CHECK_FALSE(chain[0].failed);
    REQUIRE(chain[1].failed);
    CHECK(chain[1].failed->code == Code::refused);
    CHECK(chain[1].request.empty());
  }
  CHECK(victim.requests().empty());
}

TEST_CASE("P5: a redirect to another scheme, or with a password, is refused and told") {
  Fixture fixture;
  for (std::string const target : {"file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/",
                                   "gopher://127.0.0.1:6379/_x", "http://abc.onion/"}) {
    INFO(target);
    LocalServer server(says("HTTP/1.1 301 Moved\r\nLocation: " + target + "\r\nContent-Length: 0\r\n\r\n"));
    auto const chain = fixture.client.follow(fixture.exempt(server, "/"), fixture.limits);
    REQUIRE(chain.size() == 2);
    REQUIRE(chain[1].failed);
    CHECK(chain[1].failed->code == Code::refused);
  }
}

TEST_CASE("redirects on the same host are followed one by one, each its own exchange") {
  Fixture fixture;
  LocalServer server([](Visitor& visitor) {
    if (visitor.path == "/0")
      visitor.send("HTTP/1.1 302 Found\r\nLocation: step/1\r\nContent-Length: 2\r\n\r\ngo");
    else if (visitor.path == "/step/1")
      visitor.send("HTTP/1.1 308 There\r\nLocation: ../end?x#frag\r\nContent-Length: 0\r\n\r\n");
    else
      visitor.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
  });
  auto request = fixture.exempt(server, "/0");
  request.headers = {{"X-Token", "t"}};
  auto const chain = fixture.client.follow(request, fixture.limits);
  REQUIRE(chain.size() == 3);
  CHECK(chain[0].body == "go");
  CHECK(chain[1].url == server.url("/step/1"));
  CHECK(chain[2].url == server.url("/end?x"));
  CHECK(chain[2].body == "done");
  CHECK(chain[2].request.find("X-Token: t") != std::string::npos);
}

TEST_CASE("what was meant for one origin is not told to the next") {
  Fixture fixture;
  LocalServer second(says(ok_head("Content-Length: 4\r\n") + "done"));
  LocalServer first(says("HTTP/1.1 302 Found\r\nLocation: " + second.url("/") + "\r\nContent-Length: 0\r\n\r\n"));
  REQUIRE(fixture.policy.allow("127.0.0.0/8"));
  HttpRequest const request{Url::parse(first.url("/")).value(), {{"Authorization", "Bearer s3cret"}}};
  auto const chain = fixture.client.follow(request, fixture.limits);
  REQUIRE(chain.size() == 2);
  CHECK(chain[1].body == "done");
  CHECK(chain[0].request.find("s3cret") != std::string::npos);
  CHECK(chain[1].request.find("s3cret") == std::string::npos);
}

TEST_CASE("a redirect loop ends after ten hops with an error") {
  Fixture fixture;
  LocalServer server(says("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"));
  auto const chain = fixture.client.follow(fixture.exempt(server, "/"), fixture.limits);
  REQUIRE(chain.size() == 12);
  CHECK(server.requests().size() == 11);
  REQUIRE(chain.back().failed);
  CHECK(chain.back().failed->code == Code::refused);
  CHECK(chain.back().request.empty());
}

TEST_CASE("the environment's proxy is not asked") {
  Fixture fixture;
  LocalServer proxy(says(ok_head("Content-Length: 5\r\n") + "proxy"));
  LocalServer server(says(ok_head("Content-Length: 6\r\n") + "direct"));
  setenv("http_proxy", proxy.url("").c_str(), 1);
  setenv("ALL_PROXY", proxy.url("").c_str(), 1);
  CHECK(fixture.get(server).body == "direct");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  CHECK(proxy.requests().empty());
}

namespace {

/// `openssl s_server` with a certificate of its own for localhost; it answers one connection and ends.
class TlsServer {
 public:
  TlsServer() {
    char folder[] = "/tmp/impound-tls-XXXXXX";
    if (mkdtemp(folder) == nullptr) return;
    folder_ = folder;
    std::string const make =
        "cd " + folder_ +
        " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem"
        " -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null >&2"
        " && openssl x509 -in cert.pem -outform der -out cert.der";
    if (std::system(make.c_str()) != 0) return;
    std::string const serve =
        "cd " + folder_ +
        " && exec openssl s_server -accept 127.0.0.1:0 -naccept 1 -www -key key.pem -cert cert.pem"
        " </dev/null 2>/dev/null";
    pipe_ = popen(serve.c_str(), "r");
    char text[256];
    while (pipe_ != nullptr && port_ == 0 && fgets(text, sizeof text, pipe_) != nullptr)
      if (std::string_view(text).starts_with("ACCEPT"))
        port_ = static_cast<std::uint16_t>(
            std::atoi(std::string_view(text).substr(std::string_view(text).rfind(':') + 1).data()));
  }
  ~TlsServer() {
    if (pipe_ != nullptr) pclose(pipe_);
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  bool runs() const { return port_ != 0; }
  HttpRequest request(std::string const& host, bool trusted) const {
    auto url = Url::parse("https://" + host + ":" + std::to_string(port_) + "/").value();
    HttpRequest asked{url, {}, Exemption{url.host(), port_}};
    if (trusted) asked.ca_file = folder_ + "/cert.pem";
    asked.certificates = true;
    return asked;
  }
  std::string der() const {
    std::ifstream file(folder_ + "/cert.der", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string folder_;
  std::FILE* pipe_ = nullptr;
  std::uint16_t port_ = 0;
};

}  // namespace

TEST_CASE("a certificate is checked: its authority and its name") {
  Fixture fixture;
  struct Row {
    char const* host;
    bool trusted, good;
  };
  for (Row const& row : {Row{"localhost", false, false}, Row{"127.0.0.1", true, false}, Row{"localhost", true, true}}) {
    INFO(row.host << " " << row.trusted);
    TlsServer const server;
    if (!server.runs()) {
      MESSAGE("skipped: no openssl on this machine");
      return;
    }
    auto const exchange = fixture.client.get(server.request(row.host, row.trusted), fixture.limits);
    CHECK(exchange.failed.has_value() == !row.good);
    if (row.good) {
      CHECK(exchange.status == 200);
      CHECK(exchange.tls_protocol == "TLSv1.3");
      CHECK(exchange.tls_cipher.starts_with("TLS_"));
      CHECK(exchange.certificates == std::vector{server.der()});
    } else if (exchange.failed) {
      CHECK(exchange.failed->code == Code::unreachable);
      CHECK(exchange.failed->what.find("TLS") != std::string::npos);
      CHECK(exchange.request.empty());
    }
  }
}
