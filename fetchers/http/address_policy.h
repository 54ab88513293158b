// Which addresses may be dialled on behalf of untrusted content (P5): the one table for HTTP and the swarm.
//
// Loopback, private, link-local, shared, documentation, multicast and reserved networks are refused (RFC 6890 and kin),
// also when an IPv6 address embeds them: ::ffff:0:0/96, 64:ff9b::/96 (NAT64), 2002::/16 (6to4), 2001::/32 (Teredo, its
// server's address and its client's, which stands there inverted). `allow` is the operator's --allow-net. An Exemption
// is what the operator named himself: exactly that host:port, whatever it resolves to, for that one connection. Read by
// any thread once it is set up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/ip_address.h"

namespace impound::fetchers {

struct Exemption {
  std::string host;  // as Url::host() has it: lowercase, IPv6 without brackets
  std::uint16_t port = 0;
};

struct AddressRange {
  std::string first, last;
};

struct AllowedRange {
  std::string first, last;
  std::optional<std::uint16_t> port;  // absent: any
};

class AddressPolicy {
 public:
  /// "10.0.0.0/8", "127.0.0.1/32:8080", "2001:db8::/32", "[2001:db8::/32]:80"; a bare address is a network of one.
  Result<void> allow(std::string_view network);
  /// As allowed_ranges() gave it. Code::malformed for addresses that are none.
  Result<void> allow(AllowedRange const& range);

  /// Code::refused, naming address and network, unless the address is public, allowed, or the connection is exempt.
  Result<void> check(IpAddress const& address, std::uint16_t port, bool exempt) const;
  /// The same for the spelling of an address; what is no address is refused, too.
  Result<void> check(std::string_view address, std::uint16_t port, bool exempt) const;

  /// The table as first and last addresses, for a filter that knows only ranges. Such a filter cannot look into Teredo
  /// addresses, so all of 2001::/32 is in it: stricter than check(), never weaker.
  static std::vector<AddressRange> blocked_ranges();
  std::vector<AllowedRange> allowed_ranges() const;

 private:
  struct Allowed {
    IpAddress first, last;
    std::optional<std::uint16_t> port;
  };
  bool allowed(IpAddress const& address, std::uint16_t port) const;
  std::vector<Allowed> allowed_;
};

/// The network of the table that holds the address, also by an address it embeds; nothing when it is public.
std::optional<std::string> blocked_network(IpAddress const& address);

}  // namespace impound::fetchers
