// A proxy as a route of the settings names it: everything that takes the route goes to this address and nowhere else.
// Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/values/result.h"

namespace impound::fetchers {

struct Proxy {
  enum class Kind {
    socks5h,  // RFC 1928 with names handed over (ATYP 3): the proxy looks them up
    http      // RFC 9110 §9.3.6 CONNECT; for http:// URLs the absolute form
  };
  Kind kind = Kind::socks5h;
  std::string address;  // of IPv4 or IPv6, without brackets: a name would be looked up outside of the route
  std::uint16_t port = 0;

  /// "socks5h://ADDRESS:PORT" or "http://ADDRESS:PORT". Code::usage with what is wrong in `what`.
  static Result<Proxy> parse(std::string_view text);
  /// As parse() reads it.
  std::string text() const;
  bool operator==(Proxy const&) const = default;
};

}  // namespace impound::fetchers
