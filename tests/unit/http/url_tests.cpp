#include "fetchers/url.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace impound;
using namespace impound::fetchers;

TEST_CASE("a URL is taken apart once, its host lowercased, its own port left out") {
  auto const url = Url::parse("HTTPS://Scrape.Paste.Example:443/a/../b%20c?x=1&y#frag");
  REQUIRE(url);
  CHECK(url.value().scheme() == "https");
  CHECK(url.value().host() == "scrape.paste.example");
  CHECK(url.value().port() == 443);
  CHECK(url.value().path() == "/b%20c");
  CHECK(url.value().query() == "x=1&y");
  CHECK(url.value().fragment() == "frag");
  CHECK(url.value().text() == "https://scrape.paste.example/b%20c?x=1&y");
  CHECK(Url::parse("http://h.example:8080").value().text() == "http://h.example:8080/");
  CHECK(Url::parse("http://h.example/ü x").value().text() == "http://h.example/%c3%bc%20x");
}

TEST_CASE("P5: an address in any spelling is recognised as the address it is") {
  struct Row {
    char const* url;
    char const* host;
  };
  for (Row const& row :
       {Row{"http://127.0.0.1/", "127.0.0.1"}, Row{"http://2130706433/", "127.0.0.1"},
        Row{"http://0x7f000001/", "127.0.0.1"}, Row{"http://0x7F.1/", "127.0.0.1"},
        Row{"http://017700000001/", "127.0.0.1"}, Row{"http://0177.0.0.01/", "127.0.0.1"},
        Row{"http://127.1/", "127.0.0.1"}, Row{"http://127.0.1/", "127.0.0.1"}, Row{"http://127.0.0.1./", "127.0.0.1"},
        Row{"http://%31%32%37.0.0.1/", "127.0.0.1"}, Row{"http://0/", "0.0.0.0"},
        Row{"http://192.168.257/", "192.168.1.1"}, Row{"http://10.0x1.02.3:81/", "10.1.2.3"}}) {
    INFO(row.url);
    auto const url = Url::parse(row.url);
    REQUIRE(url);
    CHECK(url.value().host() == row.host);
    CHECK(url.value().host_kind() == HostKind::ipv4);
    CHECK(url.value().text().find(row.host) != std::string::npos);
  }
  for (Row const& row :
       {Row{"http://[::1]/", "::1"}, Row{"http://[0:0:0:0:0:0:0:1]:80/", "::1"},
        Row{"http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"}, Row{"http://[::FFFF:7f00:1]/", "::ffff:127.0.0.1"},
        Row{"http://[2002:7f00:1::]/", "2002:7f00:1::"}}) {
    INFO(row.url);
    auto const url = Url::parse(row.url);
    REQUIRE(url);
    CHECK(url.value().host() == row.host);
    CHECK(url.value().host_kind() == HostKind::ipv6);
    CHECK(url.value().text().find(std::string("[").append(row.host).append("]")) != std::string::npos);
  }
}

TEST_CASE("names that mean this machine or this network are told from public ones") {
  for (char const* const host : {"localhost", "LOCALHOST.", "intranet", "a.localhost", "printer.local", "x.internal",
                                 "nas.home.arpa", "nas.home.arpa."})
    CHECK_MESSAGE(kind_of_host(host) == HostKind::local, host);
  for (char const* const host :
       {"example.org", "localhost.example.org", "internal.example", "xlocal.org", "mylocal.net"})
    CHECK_MESSAGE(kind_of_host(host) == HostKind::name, host);
  CHECK(kind_of_host("abcdef.onion") == HostKind::onion);
}

TEST_CASE("what a URL must not hold is refused with an error that shows it") {
  for (char const* const text : {"",
                                 "http://",
                                 "http:///",
                                 "example.org",
                                 "//example.org/x",
                                 "/x",
                                 "ftp://example.org/",
                                 "file:///etc/passwd",
                                 "gopher://x.example/",
                                 "javascript:alert(1)",
                                 "http://user@example.org/",
                                 "http://user:pass@example.org/",
                                 "http://:pass@example.org/",
                                 "http://example.org:0/",
                                 "http://example.org:65536/",
                                 "http://example.org:x/",
                                 "http://[fe80::1%25eth0]/",
                                 "http://[::1/",
                                 "http://a b/",
                                 "http://пример.example/",
                                 "http://１２７.0.0.1/",
                                 "http://127。0。0。1/",
                                 "http://1.2.3.999/",
                                 "http://1.2.3.4.5/",
                                 "http://0x100000000/",
                                 "http://4294967296/",
                                 "http://exa\nmple.org/",
                                 "http://example.org/\r\nX: y",
                                 "http://ex%00ample.org/",
                                 "http://ex%2fample.org/",
                                 "http:/example.org/",
                                 "hTTps:/example.org/",
                                 "http:example.org",
                                 "http:///example.org/",
                                 "http://example.org\\@other.example/",
                                 "http:\\\\example.org/"}) {
    INFO(text);
    CHECK_FALSE(Url::parse(text));
  }
  CHECK_FALSE(Url::parse("http://example.org/" + std::string(Url::bytes_max, 'a')));
  CHECK(Url::parse("http://user:pass@example.org/").error().code == Code::refused);
}

TEST_CASE("a relative reference means what RFC 3986 says") {
  auto const base = Url::parse("http://h.example:81/a/b/c?q").value();
  struct Row {
    char const* reference;
    char const* expected;
  };
  for (Row const& row :
       {Row{"../x.torrent", "http://h.example:81/a/x.torrent"}, Row{"x", "http://h.example:81/a/b/x"},
        Row{"/x?y=1", "http://h.example:81/x?y=1"}, Row{"//other.example/z", "http://other.example/z"},
        Row{"https://other.example", "https://other.example/"}, Row{"?r", "http://h.example:81/a/b/c?r"},
        Row{"../../../../x", "http://h.example:81/x"}, Row{"x y", "http://h.example:81/a/b/x%20y"}}) {
    INFO(row.reference);
    auto const url = base.resolve(row.reference);
    REQUIRE(url);
    CHECK(url.value().text() == row.expected);
  }
  CHECK_FALSE(base.resolve("file:///etc/passwd"));
  CHECK_FALSE(base.resolve("http://user:x@h.example/"));
  CHECK_FALSE(base.resolve("x\ny"));
}

namespace {

std::string as_whatwg(Url const& url) {
  std::string host = url.host();
  if (url.host_kind() != HostKind::ipv6) return host;
  host.insert(host.begin(), '[');
  host.push_back(']');
  return host;
}

}  // namespace

TEST_CASE("P5: over the WHATWG's corpus a host is what browsers take it for, or the URL is refused") {
  std::ifstream file(TEST_DATA "/urls/urltestdata.json");
  auto const corpus = nlohmann::json::parse(file);
  std::size_t agreed = 0, refused = 0;
  for (auto const& row : corpus) {
    if (!row.is_object()) continue;
    std::string const input = row["input"];
    bool const alone = !row.contains("base") || row["base"].is_null() || row["base"] == "about:blank";
    auto const base = alone ? Result<Url>(Error{}) : Url::parse(row["base"].get<std::string>());
    if (!alone && !base) continue;
    auto const url = alone ? Url::parse(input) : base.value().resolve(input);
    if (!url) {
      ++refused;
      continue;
    }
    INFO(input << " at " << (alone ? "nothing" : row["base"].get<std::string>()) << " gives " << url.value().text());
    if (row.value("failure", false)) {
      CHECK_FALSE(url.value().is_literal());  // an address out of what browsers refuse would be a hole
      continue;
    }
    std::string theirs = row["hostname"];
    if (theirs.starts_with('[')) theirs = as_whatwg(Url::parse(std::string("http://").append(theirs)).value());
    CHECK(as_whatwg(url.value()) == theirs);
    ++agreed;
  }
  MESSAGE(agreed << " hosts agreed, " << refused << " URLs refused");
  CHECK(agreed > 100);
}
