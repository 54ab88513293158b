// One IP address, version 4 or 6, as a value. `parse` takes only the plain spellings (dotted quad, RFC 4291 text);
// `parse_any` takes every spelling that a resolver's inet_aton would: 2130706433, 0x7f.1, 0177.0.0.1, 127.1. Pure
// functions, any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace impound::fetchers {

class IpAddress {
 public:
  static IpAddress v4(std::uint32_t address);  // in host order
  static IpAddress v6(std::array<std::uint8_t, 16> const& bytes);
  static std::optional<IpAddress> parse(std::string_view text);
  static std::optional<IpAddress> parse_any(std::string_view text);
  /// The address of a sockaddr_in or sockaddr_in6 of `size` bytes; nothing for another family.
  static std::optional<IpAddress> from(sockaddr const* address, std::size_t size);

  bool is_v4() const { return !v6_; }
  std::uint32_t v4_number() const;                                      // only when is_v4()
  std::array<std::uint8_t, 16> const& bytes() const { return bytes_; }  // v4: ::ffff:a.b.c.d
  std::string text() const;
  std::string text_in_url() const;                     // version 6 in brackets
  auto operator<=>(IpAddress const&) const = default;  // all of version 4 before all of version 6

 private:
  IpAddress(bool is_six, std::array<std::uint8_t, 16> const& bytes) : v6_(is_six), bytes_(bytes) {}
  bool v6_;
  std::array<std::uint8_t, 16> bytes_;
};

}  // namespace impound::fetchers
