// The gate's table, tried in this process: the worker's own file is taken in here, and so this program's connect()
// passes the gate as the worker's does.
#include <arpa/inet.h>

#include "evidence/formats/hex.h"
#include "fetchers/torrents/worker/dial_gate.cpp"
#include "fetchers/torrents/worker/socks_calls.cpp"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

void set(DialGate& gate, std::vector<AllowedEndpoint> const& allowed = {}) {
  REQUIRE(gate.set_table({{"127.0.0.0", "127.255.255.255"},
                          {"10.0.0.0", "10.255.255.255"},
                          {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
                          {"::", "::1"}},
                         allowed));
}

bool allows(DialGate const& gate, char const* literal, std::uint16_t port = 80) {
  auto const bytes = address_bytes(literal);
  REQUIRE(bytes);
  return gate.allows(*bytes, port);
}

}  // namespace

TEST_CASE("P5: the gate is shut until it has a table") {
  DialGate const gate;
  CHECK_FALSE(allows(gate, "8.8.8.8"));
}

TEST_CASE("P5: the gate knows an address in every spelling") {
  DialGate gate;
  set(gate);
  for (char const* open :
       {"8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:0808:0808::1", "11.0.0.0"}) {
    INFO(open);
    CHECK(allows(gate, open));
  }
  for (char const* shut :
       {"127.0.0.1", "127.255.255.255", "10.1.2.3", "::1", "::", "fd00::1", "::ffff:127.0.0.1", "::127.0.0.1",
        "64:ff9b::10.0.0.1", "2002:7f00:0001::1", "2002:0a00:0001::", "2001:0:1:2:3:4:80ff:fffe"}) {
    INFO(shut);
    CHECK_FALSE(allows(gate, shut));
  }
}

TEST_CASE("P5: what the operator opened is open, and no port more") {
  DialGate gate;
  set(gate, {{"127.0.0.9", "127.0.0.9", 8080}, {"10.5.0.0", "10.5.255.255", std::nullopt}});
  CHECK(allows(gate, "127.0.0.9", 8080));
  CHECK_FALSE(allows(gate, "127.0.0.9", 8081));
  CHECK(allows(gate, "10.5.7.7", 1));
  CHECK_FALSE(allows(gate, "10.6.0.0", 1));
  auto const address = *address_bytes("127.0.0.1");
  gate.open(address, 6881);
  gate.open(address, 6881);
  CHECK(gate.allows(address, 6881));
  CHECK_FALSE(gate.allows(address, 6882));
  gate.close(address, 6881);
  CHECK(gate.allows(address, 6881));
  gate.close(address, 6881);
  CHECK_FALSE(gate.allows(address, 6881));
}

TEST_CASE("P4: with a proxy one address and port passes, and the table still judges what it is asked for") {
  DialGate gate;
  set(gate);
  gate.only(*address_bytes("127.0.0.9"), 9050);
  auto const passes = [&](char const* literal, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, literal, &to.sin_addr);
    return gate.passes(reinterpret_cast<sockaddr const*>(&to), sizeof to);
  };
  CHECK(passes("127.0.0.9", 9050));
  CHECK_FALSE(passes("127.0.0.9", 9051));
  CHECK_FALSE(passes("8.8.8.8", 9050));
  CHECK(allows(gate, "8.8.8.8"));
  CHECK_FALSE(allows(gate, "10.0.0.1"));
  CHECK_FALSE(gate.looks_names_up());
}

namespace {

/// What a connection to the proxy says, one part a send().
bool passes_all(DialGate& gate, std::vector<std::string> said) {
  constexpr int socket = 70;
  gate.dialled(socket);
  return std::all_of(said.begin(), said.end(), [&](std::string& part) {
    iovec const bytes{part.data(), part.size()};
    return gate.passes(socket, {&bytes, 1});
  });
}

std::string connect_by_name(std::string const& name, std::string const& port = std::string("\0\x50", 2)) {
  return std::string("\5\1\0\3", 4) + static_cast<char>(name.size()) + name + port;
}

}  // namespace

TEST_CASE("P4 and P5: what is asked of a proxy is judged as it leaves") {
  std::string const greeting("\5\1\0", 3);
  DialGate gate;
  set(gate, {{"127.0.0.9", "127.0.0.9", 80}});
  gate.only(*address_bytes("127.0.0.9"), 9050);
  CHECK(passes_all(gate, {greeting, connect_by_name("tracker.example"), "GET /", "and so on"}));
  CHECK(passes_all(gate, {greeting, connect_by_name("TRACKER.example."), "GET /"}));
  CHECK(passes_all(gate, {greeting, connect_by_name("8.8.8.8"), "GET /"}));
  CHECK(passes_all(gate, {greeting, connect_by_name("127.0.0.9"), "GET /"}));
  CHECK(passes_all(gate, {greeting, std::string("\5\1\0\1\x08\x08\x08\x08\0\x50", 10), "GET /"}));
  for (char const* const name : {"127.0.0.1", "127.0.0.1.", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "10.0.0.1",
                                 "::1", "::ffff:127.0.0.1", "[::1]", "localhost", "LOCALHOST", "localhost.", "router",
                                 "x.local", "db.internal", "nas.home.arpa", "a b.example", ""}) {
    INFO(name);
    CHECK_FALSE(passes_all(gate, {greeting, connect_by_name(name)}));
  }
  for (std::string const& request :
       {std::string("\5\1\0\1\x7f\0\0\1\0\x50", 10), std::string("\5\1\0\1\x0a\0\0\1\0\x50", 10),
        std::string("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\x50", 22),
        std::string("\5\2\0\1\x08\x08\x08\x08\0\x50", 10),  // BIND
        std::string("\5\3\0\1\x08\x08\x08\x08\0\x50", 10),  // UDP ASSOCIATE
        std::string("\4\1\0\x50\x08\x08\x08\x08\0", 9), connect_by_name("a.example") + "GET /",
        std::string("\5\1\0\3\xff"
                    "a.b",
                    8),
        std::string("\5", 1), std::string()}) {
    INFO(hex(bytes_of(request)));
    CHECK_FALSE(passes_all(gate, {greeting, request}));
  }
  for (std::string const& first : {std::string("\5\2\0\2", 4), std::string("\4\1\0", 3), connect_by_name("a.example"),
                                   std::string("GET http://127.0.0.1/ HTTP/1.1\r\n"), std::string(600, 'x')})
    CHECK_FALSE(passes_all(gate, {first}));
  // A socket that was not dialled is none of the proxy's, and without a proxy none is.
  std::string text = "GET /";
  iovec const bytes{text.data(), text.size()};
  CHECK(gate.passes(71, {&bytes, 1}));
  DialGate direct;
  set(direct);
  CHECK(passes_all(direct, {"GET /"}));
}

TEST_CASE("P4: until the gate has a table, and behind a proxy, no name is looked up, and numbers are read") {
  // This program's own gate has no table yet, or one without a proxy from the tests below.
  addrinfo* found = nullptr;
  if (!DialGate::of_this_process().looks_names_up()) {
    CHECK(::getaddrinfo("localhost", "80", nullptr, &found) == EAI_NONAME);
    REQUIRE(::getaddrinfo("127.0.0.1", "80", nullptr, &found) == 0);
    ::freeaddrinfo(found);
  }
}

TEST_CASE("P5: an address that is short, or of no family, is judged as the kernel would take it") {
  DialGate gate;
  set(gate);
  auto const passes = [&](auto const& to, std::size_t size) {
    return gate.passes(reinterpret_cast<sockaddr const*>(&to), static_cast<socklen_t>(size));
  };
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_loopback;
  for (std::size_t const size : {sizeof six, std::size_t{24}, std::size_t{8}}) CHECK_FALSE(passes(six, size));
  ::inet_pton(AF_INET6, "2606:4700::1111", &six.sin6_addr);
  CHECK(passes(six, 24));
  sockaddr_in four{};
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (sa_family_t const family : {sa_family_t{AF_INET}, sa_family_t{AF_UNSPEC}}) {
    four.sin_family = family;
    CHECK_FALSE(passes(four, sizeof four));
  }
}

TEST_CASE("P5: a range that is none is an error") {
  DialGate gate;
  CHECK(gate.set_table({{"10.0.0.2", "10.0.0.1"}}, {}).has_error());
  CHECK(gate.set_table({{"x", "y"}}, {}).has_error());
  CHECK(gate.set_table({}, {{"1.2.3.4", "::1", std::nullopt}}).has_error());
}

TEST_CASE("P5: connect, sendto and sendmsg go through the gate, other families do not") {
  set(DialGate::of_this_process());
  Descriptor const tcp{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
  Descriptor const udp{::socket(AF_INET, SOCK_DGRAM, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const address = reinterpret_cast<sockaddr*>(&to);
  CHECK((::connect(tcp.number(), address, sizeof to) == -1 && errno == EACCES));
  CHECK((::connect(udp.number(), address, sizeof to) == -1 && errno == EACCES));
  CHECK((::sendto(udp.number(), "x", 1, 0, address, sizeof to) == -1 && errno == EACCES));
  iovec part{const_cast<char*>("x"), 1};
  msghdr message{};
  message.msg_name = address;
  message.msg_namelen = sizeof to;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  CHECK((::sendmsg(udp.number(), &message, 0) == -1 && errno == EACCES));
  DialGate::of_this_process().open(*address_bytes("127.0.0.1"), 9);
  CHECK(::sendto(udp.number(), "x", 1, 0, address, sizeof to) == 1);
  DialGate::of_this_process().close(*address_bytes("127.0.0.1"), 9);
  int both[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM, 0, both) == 0);
  Descriptor const left{both[0]};
  Descriptor const right{both[1]};
  message.msg_name = nullptr;
  message.msg_namelen = 0;
  CHECK(::sendmsg(left.number(), &message, 0) == 1);
}
