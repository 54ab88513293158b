// An http or https URL, parsed once over libcurl's URL parser (RFC 3986 with curl's leniency) and carried as a proven
// value.
//
// The host is lowercase; an IP literal in any spelling (decimal, octal, hex, short, IPv6 with an embedded IPv4) is told
// as what it is and written in its plain form, so that no two readers of it can disagree. A user name or password in
// the URL is refused, never stripped: a request without it would be another request. So are hosts that are not ASCII
// (give the xn-- form), zone ids, port 0 and everything longer than `bytes_max`. The fragment is kept apart: it is
// never sent. Pure functions, any thread.
// Gap: no IDN conversion here; libidn2 would be the way, with the converted name parsed again as a literal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/values/result.h"

namespace impound::fetchers {

enum class HostKind {
  name,   // a host name that may be public
  local,  // localhost, a single label, .localhost, .local, .internal, .home.arpa: never asked of a proxy
  onion,  // only reachable through a proxy
  ipv4,
  ipv6,
};

class Url {
 public:
  static constexpr std::size_t bytes_max = 8192;

  static Result<Url> parse(std::string_view text);
  /// RFC 3986 §5: what `reference` (a Location header, an href) means when found at this URL.
  Result<Url> resolve(std::string_view reference) const;

  std::string const& scheme() const { return scheme_; }
  std::string const& host() const { return host_; }  // IPv6 without brackets
  HostKind host_kind() const { return host_kind_; }
  bool is_literal() const { return host_kind_ == HostKind::ipv4 || host_kind_ == HostKind::ipv6; }
  std::uint16_t port() const { return port_; }
  std::string const& path() const { return path_; }    // begins with '/'
  std::string const& query() const { return query_; }  // without '?'
  std::string const& fragment() const { return fragment_; }
  /// scheme://host[:port]path[?query]; the port only if it is not the scheme's own.
  std::string const& text() const { return text_; }
  bool same_origin(Url const& other) const {
    return scheme_ == other.scheme_ && host_ == other.host_ && port_ == other.port_;
  }

 private:
  Url() = default;
  friend class UrlReader;
  std::string scheme_, host_, path_, query_, fragment_, text_;
  HostKind host_kind_ = HostKind::name;
  std::uint16_t port_ = 0;
};

/// What a host name without brackets is; literals in every spelling are recognised.
HostKind kind_of_host(std::string_view host);

}  // namespace impound::fetchers
