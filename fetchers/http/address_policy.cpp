#include "fetchers/http/address_policy.h"

#include <algorithm>
#include <charconv>

namespace impound::fetchers {

namespace {

struct V4Network {
  std::uint32_t first;
  unsigned bits;
  char const* text;
};

struct V6Network {
  std::array<std::uint8_t, 16> first;
  unsigned bits;
  char const* text;
};

// The table of the address policy; whoever needs one of these networks takes it from here.
constexpr V4Network v4_table[] = {
    {0x00000000, 8, "0.0.0.0/8"},         // this network; Linux takes 0.0.0.0 for itself
    {0x0a000000, 8, "10.0.0.0/8"},        // private
    {0x64400000, 10, "100.64.0.0/10"},    // shared, carrier NAT
    {0x7f000000, 8, "127.0.0.0/8"},       // loopback
    {0xa9fe0000, 16, "169.254.0.0/16"},   // link-local, cloud metadata
    {0xac100000, 12, "172.16.0.0/12"},    // private
    {0xc0000000, 24, "192.0.0.0/24"},     // IETF protocols
    {0xc0000200, 24, "192.0.2.0/24"},     // documentation
    {0xc0a80000, 16, "192.168.0.0/16"},   // private
    {0xc6120000, 15, "198.18.0.0/15"},    // benchmarks
    {0xc6336400, 24, "198.51.100.0/24"},  // documentation
    {0xcb007100, 24, "203.0.113.0/24"},   // documentation
    {0xe0000000, 4, "224.0.0.0/4"},       // multicast
    {0xf0000000, 4, "240.0.0.0/4"},       // reserved, broadcast
};

constexpr V6Network v6_table[] = {
    {{}, 128, "::/128"},                                                 // unspecified
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, "::1/128"},  // loopback
    {{0xfc}, 7, "fc00::/7"},                                             // unique local
    {{0xfe, 0x80}, 10, "fe80::/10"},                                     // link-local
    {{0xfe, 0xc0}, 10, "fec0::/10"},                                     // site-local, deprecated
    {{0xff}, 8, "ff00::/8"},                                             // multicast
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "2001:db8::/32"},                     // documentation
};

constexpr V6Network mapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, "::ffff:0:0/96"};
constexpr V6Network nat64{{0x00, 0x64, 0xff, 0x9b}, 96, "64:ff9b::/96"};
constexpr V6Network six_to_four{{0x20, 0x02}, 16, "2002::/16"};
constexpr V6Network teredo{{0x20, 0x01}, 32, "2001::/32"};

bool within(std::array<std::uint8_t, 16> const& address, V6Network const& network) {
  for (unsigned bit = 0; bit < network.bits; bit += 8) {
    auto const left = std::min(8u, network.bits - bit);
    auto const mask = static_cast<std::uint8_t>(0xff00 >> left);
    if ((address[bit / 8] & mask) != (network.first[bit / 8] & mask)) return false;
  }
  return true;
}

std::uint32_t v4_at(std::array<std::uint8_t, 16> const& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

std::array<std::uint8_t, 16> with_v4(std::array<std::uint8_t, 16> bytes, std::size_t at, std::uint32_t address) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  return bytes;
}

std::array<std::uint8_t, 16> filled_from(std::array<std::uint8_t, 16> bytes, unsigned bits) {
  for (unsigned bit = bits; bit < 128; ++bit) bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  return bytes;
}

std::uint32_t last_of(V4Network const& network) { return network.first | (0xffffffffu >> network.bits); }

std::optional<std::string> blocked_v4(std::uint32_t address) {
  for (auto const& network : v4_table)
    if (address >= network.first && address <= last_of(network)) return network.text;
  return std::nullopt;
}

std::optional<std::string> embedded(std::uint32_t address, V6Network const& in) {
  auto found = blocked_v4(address);
  if (found) *found += std::string(" inside ") + in.text;
  return found;
}

template <class Number>
std::optional<Number> decimal(std::string_view text) {
  Number number{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::string> blocked_network(IpAddress const& address) {
  if (address.is_v4()) return blocked_v4(address.v4_number());
  auto const& bytes = address.bytes();
  for (auto const& network : v6_table)
    if (within(bytes, network)) return network.text;
  if (within(bytes, mapped)) return embedded(v4_at(bytes, 12), mapped);
  if (within(bytes, nat64)) return embedded(v4_at(bytes, 12), nat64);
  if (within(bytes, six_to_four)) return embedded(v4_at(bytes, 2), six_to_four);
  if (within(bytes, teredo)) {
    if (auto const server = embedded(v4_at(bytes, 4), teredo)) return server;
    return embedded(~v4_at(bytes, 12), teredo);  // RFC 4380 §4: the client's address stands there inverted
  }
  return std::nullopt;
}

Result<void> AddressPolicy::allow(std::string_view network) {
  auto const wrong = [&] {
    return Error{Code::usage, "no network", std::string(network.substr(0, 100)),
                 "write CIDR[:PORT], such as 10.0.0.0/8, 127.0.0.1/32:8080 or [2001:db8::/32]:80"};
  };
  std::string_view cidr = network, port_text;
  bool const bracketed = cidr.starts_with('[');
  if (bracketed) {
    auto const close = cidr.find(']');
    if (close == std::string_view::npos) return wrong();
    port_text = cidr.substr(close + 1);
    cidr = cidr.substr(1, close - 1);
    if (!port_text.empty() && !port_text.starts_with(':')) return wrong();
  } else if (std::count(cidr.begin(), cidr.end(), ':') == 1) {
    port_text = cidr.substr(cidr.find(':'));
    cidr = cidr.substr(0, cidr.find(':'));
  }
  std::optional<std::uint16_t> port;
  if (!port_text.empty()) {
    port = decimal<std::uint16_t>(port_text.substr(1));
    if (!port || *port == 0) return wrong();
  }
  auto const slash = cidr.find('/');
  auto const address = IpAddress::parse(cidr.substr(0, slash));
  if (!address || (bracketed && address->is_v4())) return wrong();
  unsigned const width = address->is_v4() ? 32 : 128;
  unsigned bits = width;
  if (slash != std::string_view::npos) {
    auto const number = decimal<unsigned>(cidr.substr(slash + 1));
    if (!number || *number > width) return wrong();
    bits = *number;
  }
  auto const last = filled_from(address->bytes(), 128 - width + bits);
  auto first = last;
  for (unsigned bit = 128 - width + bits; bit < 128; ++bit)
    first[bit / 8] &= static_cast<std::uint8_t>(~(0x80 >> bit % 8));
  if (first != address->bytes()) return wrong();  // 10.0.0.1/8: a slip of the pen that would open more than it says
  auto const as_address = [&](auto const& bytes) {
    return address->is_v4() ? IpAddress::v4(v4_at(bytes, 12)) : IpAddress::v6(bytes);
  };
  allowed_.push_back({as_address(first), as_address(last), port});
  return ok();
}

Result<void> AddressPolicy::allow(AllowedRange const& range) {
  auto const first = IpAddress::parse(range.first);
  auto const last = IpAddress::parse(range.last);
  if (!first || !last) return Error{Code::malformed, "no range of addresses", range.first.substr(0, 100), {}};
  allowed_.push_back({*first, *last, range.port});
  return ok();
}

bool AddressPolicy::allowed(IpAddress const& address, std::uint16_t port) const {
  return std::any_of(allowed_.begin(), allowed_.end(), [&](Allowed const& each) {
    return each.first <= address && address <= each.last && (!each.port || *each.port == port);
  });
}

Result<void> AddressPolicy::check(IpAddress const& address, std::uint16_t port, bool exempt) const {
  if (exempt) return ok();
  auto const network = blocked_network(address);
  if (!network || allowed(address, port)) return ok();
  // To the kernel ::ffff:a.b.c.d is a.b.c.d, so the operator's word on that holds. The other forms go through relays.
  if (!address.is_v4() && within(address.bytes(), mapped) && allowed(IpAddress::v4(address.v4_number()), port))
    return ok();
  return Error{Code::refused, "the address is not public (" + *network + ")",
               address.text_in_url() + ":" + std::to_string(port), "--allow-net " + *network + " would permit it"};
}

Result<void> AddressPolicy::check(std::string_view address, std::uint16_t port, bool exempt) const {
  auto const parsed = IpAddress::parse_any(address);
  if (!parsed) return Error{Code::refused, "no IP address", std::string(address.substr(0, 100)), {}};
  return check(*parsed, port, exempt);
}

std::vector<AddressRange> AddressPolicy::blocked_ranges() {
  std::vector<AddressRange> ranges;
  auto const add_v6 = [&](std::array<std::uint8_t, 16> const& first, std::array<std::uint8_t, 16> const& last) {
    ranges.push_back({IpAddress::v6(first).text(), IpAddress::v6(last).text()});
  };
  for (auto const& network : v4_table)
    ranges.push_back({IpAddress::v4(network.first).text(), IpAddress::v4(last_of(network)).text()});
  for (auto const& network : v6_table) add_v6(network.first, filled_from(network.first, network.bits));
  for (auto const& network : v4_table) {
    add_v6(with_v4(mapped.first, 12, network.first), with_v4(mapped.first, 12, last_of(network)));
    add_v6(with_v4(nat64.first, 12, network.first), with_v4(nat64.first, 12, last_of(network)));
    add_v6(with_v4(six_to_four.first, 2, network.first),
           filled_from(with_v4(six_to_four.first, 2, last_of(network)), 48));
  }
  add_v6(teredo.first, filled_from(teredo.first, teredo.bits));
  return ranges;
}

std::vector<AllowedRange> AddressPolicy::allowed_ranges() const {
  std::vector<AllowedRange> ranges;
  for (auto const& each : allowed_) ranges.push_back({each.first.text(), each.last.text(), each.port});
  return ranges;
}

}  // namespace impound::fetchers
