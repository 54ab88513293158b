#include "fetchers/http/address_policy.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

using namespace impound;
using namespace impound::fetchers;

namespace {

// First and last address of every network that must be refused, with the public neighbours on both sides ("" where
// there is none).
struct Edge {
  char const* before;
  char const* first;
  char const* last;
  char const* behind;
};

Edge const v4_edges[] = {
    {"", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
    {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
    {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
    {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
    {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
    {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
    {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
    {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
    {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
    {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
    {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
    {"223.255.255.255", "224.0.0.0", "239.255.255.255", ""},
    {"", "240.0.0.0", "255.255.255.255", ""},
};

Edge const v6_edges[] = {
    {"", "::", "::1", "::2"},
    {"fbff:ffff::1", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
    {"fe7f:ffff::1", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
    {"", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
    {"", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
    {"2001:db7:ffff::1", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
};

bool refused(AddressPolicy const& policy, std::string_view address, std::uint16_t port = 80) {
  return !policy.check(address, port, false);
}

std::array<std::uint8_t, 16> bytes_of_v4(std::string_view text) { return IpAddress::parse(text)->bytes(); }

/// `text`'s four bytes, inverted if asked, at position `at` of an address that begins with `prefix`.
IpAddress embedding(char const* prefix, std::string_view text, std::size_t at, bool inverted = false) {
  auto bytes = IpAddress::parse(prefix)->bytes();
  auto const four = bytes_of_v4(text);
  for (std::size_t i = 0; i < 4; ++i)
    bytes[at + i] = inverted ? static_cast<std::uint8_t>(~four[12 + i]) : four[12 + i];
  return IpAddress::v6(bytes);
}

bool in_ranges(std::vector<AddressRange> const& ranges, IpAddress const& address) {
  for (auto const& range : ranges) {
    auto const first = *IpAddress::parse(range.first), last = *IpAddress::parse(range.last);
    if (first.is_v4() == address.is_v4() && first <= address && address <= last) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("P5: the table refuses each network from its first to its last address and nothing beside it") {
  AddressPolicy const policy;
  for (auto const* const edges : {v4_edges, v6_edges}) {
    auto const count = edges == v4_edges ? std::size(v4_edges) : std::size(v6_edges);
    for (std::size_t i = 0; i < count; ++i) {
      INFO(edges[i].first);
      CHECK(refused(policy, edges[i].first));
      CHECK(refused(policy, edges[i].last));
      if (*edges[i].before != '\0') CHECK_FALSE(refused(policy, edges[i].before));
      if (*edges[i].behind != '\0') CHECK_FALSE(refused(policy, edges[i].behind));
    }
  }
  CHECK_FALSE(refused(policy, "93.184.216.34"));
  CHECK_FALSE(refused(policy, "2606:2800:220:1::1"));
}

TEST_CASE("P5: an address that IPv6 embeds is judged like the address itself") {
  AddressPolicy const policy;
  for (auto const& edge : v4_edges)
    for (char const* const address : {edge.first, edge.last, edge.before, edge.behind}) {
      if (*address == '\0') continue;
      INFO(address);
      bool const wanted = refused(policy, address);
      CHECK(wanted == !policy.check(embedding("::ffff:0:0", address, 12), 80, false));
      CHECK(wanted == !policy.check(embedding("64:ff9b::", address, 12), 80, false));
      CHECK(wanted == !policy.check(embedding("2002::1", address, 2), 80, false));
      auto const public_client = embedding("2001::", "93.184.216.34", 12, true);
      CHECK(wanted == !policy.check(embedding(public_client.text().c_str(), address, 4), 80, false));
      auto const public_server = embedding("2001::", "93.184.216.34", 4);
      CHECK(wanted == !policy.check(embedding(public_server.text().c_str(), address, 12, true), 80, false));
    }
}

TEST_CASE("P5: every spelling of loopback is refused, and what is no address, too") {
  AddressPolicy const policy;
  for (char const* const text : {"127.0.0.1",
                                 "2130706433",
                                 "0x7f000001",
                                 "017700000001",
                                 "127.1",
                                 "127.0.1",
                                 "0x7f.0.0.1",
                                 "::1",
                                 "[::1]",
                                 "::ffff:127.0.0.1",
                                 "::ffff:7f00:1",
                                 "0:0:0:0:0:ffff:127.0.0.1",
                                 "64:ff9b::127.0.0.1",
                                 "2002:7f00:0001::",
                                 "localhost",
                                 "",
                                 "x",
                                 "127.0.0.1:80",
                                 "fe80::1%lo",
                                 "300.1.1.1"})
    CHECK_MESSAGE(refused(policy, text), text);
}

TEST_CASE("the socket's address is read as it is") {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(0x0a000001);
  CHECK(IpAddress::from(reinterpret_cast<sockaddr*>(&four), sizeof four)->text() == "10.0.0.1");
  CHECK_FALSE(IpAddress::from(reinterpret_cast<sockaddr*>(&four), 4));
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr.s6_addr[15] = 1;
  CHECK(IpAddress::from(reinterpret_cast<sockaddr*>(&six), sizeof six)->text() == "::1");
  six.sin6_family = AF_UNIX;
  CHECK_FALSE(IpAddress::from(reinterpret_cast<sockaddr*>(&six), sizeof six));
}

TEST_CASE("P5: an allowed network opens that network and port, and no more") {
  AddressPolicy policy;
  REQUIRE(policy.allow("127.0.0.0/8:8080"));
  REQUIRE(policy.allow("10.1.0.0/16"));
  REQUIRE(policy.allow("[2001:db8::/32]:80"));
  REQUIRE(policy.allow("::1"));
  CHECK_FALSE(refused(policy, "127.0.0.1", 8080));
  CHECK_FALSE(refused(policy, "::ffff:127.0.0.1", 8080));
  CHECK(refused(policy, "127.0.0.1", 8081));
  CHECK(refused(policy, "::ffff:127.0.0.1", 8081));
  CHECK(refused(policy, "64:ff9b::127.0.0.1", 8080));  // through a relay it is another machine's 127.0.0.1
  CHECK_FALSE(refused(policy, "10.1.255.255", 1));
  CHECK(refused(policy, "10.2.0.0", 1));
  CHECK_FALSE(refused(policy, "2001:db8::1", 80));
  CHECK(refused(policy, "2001:db8::1", 81));
  CHECK_FALSE(refused(policy, "::1", 9));
  auto const ranges = policy.allowed_ranges();
  REQUIRE(ranges.size() == 4);
  CHECK(ranges[0].first == "127.0.0.0");
  CHECK(ranges[0].last == "127.255.255.255");
  CHECK(ranges[0].port == 8080);
  CHECK(ranges[2].last == "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
  CHECK_FALSE(ranges[3].port);
}

TEST_CASE("a network that is none is a usage error") {
  AddressPolicy policy;
  for (char const* const text :
       {"", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8", "10/8", "0x0a000000/8", "10.0.0.0/8:0",
        "10.0.0.0/8:65536", "10.0.0.0/8:x", "10.0.0.0/8:", "[10.0.0.0/8]:80", "[2001:db8::/32", "[2001:db8::/32]80",
        "2001:db8::/129", "2001:db8::1/32", "localhost", "10.0.0.0/ 8"}) {
    INFO(text);
    auto const answer = policy.allow(text);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::usage);
  }
  CHECK(policy.allowed_ranges().empty());
}

TEST_CASE("an exemption opens whatever its host resolves to") {
  AddressPolicy const policy;
  CHECK(policy.check("127.0.0.1", 80, true));
  CHECK_FALSE(policy.check("no address", 80, true));
}

TEST_CASE("P5: a filter of ranges refuses all that the table refuses") {
  AddressPolicy const policy;
  auto const ranges = AddressPolicy::blocked_ranges();
  for (auto const& edge : v4_edges)
    for (char const* const address : {edge.first, edge.last, edge.before, edge.behind}) {
      if (*address == '\0') continue;
      INFO(address);
      bool const wanted = refused(policy, address);
      CHECK(in_ranges(ranges, *IpAddress::parse(address)) == wanted);
      CHECK(in_ranges(ranges, embedding("::ffff:0:0", address, 12)) == wanted);
      CHECK(in_ranges(ranges, embedding("64:ff9b::", address, 12)) == wanted);
      CHECK(in_ranges(ranges, embedding("2002::1", address, 2)) == wanted);
      CHECK(in_ranges(ranges, embedding("2001::", address, 4)));  // stricter: all of Teredo
    }
  for (auto const& edge : v6_edges) {
    CHECK(in_ranges(ranges, *IpAddress::parse(edge.first)));
    CHECK(in_ranges(ranges, *IpAddress::parse(edge.last)));
    if (*edge.behind != '\0') CHECK_FALSE(in_ranges(ranges, *IpAddress::parse(edge.behind)));
  }
  CHECK_FALSE(in_ranges(ranges, *IpAddress::parse("2606:2800:220:1::1")));
}
