// The gate's table, tried in this process: the worker's own file is taken in here, and so this program's connect()
// passes the gate as the worker's does.
#include <arpa/inet.h>

#include "fetchers/torrents/worker/dial_gate.cpp"
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

TEST_CASE("P4: until the gate has a table, and behind a proxy, no name is looked up, and numbers are read") {
  // This program's own gate has no table yet, or one without a proxy from the tests below.
  addrinfo* found = nullptr;
  if (!DialGate::of_this_process().looks_names_up()) {
    CHECK(::getaddrinfo("localhost", "80", nullptr, &found) == EAI_NONAME);
    REQUIRE(::getaddrinfo("127.0.0.1", "80", nullptr, &found) == 0);
    ::freeaddrinfo(found);
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
