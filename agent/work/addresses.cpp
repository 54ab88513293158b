#include "agent/work/addresses.h"

#include <cctype>
#include <charconv>

#include "fetchers/ip_address.h"
#include "fetchers/name_lookup.h"
#include "fetchers/url.h"

namespace impound::agent {

using fetchers::AddressPolicy;
using fetchers::IpAddress;

namespace {

std::vector<IpAddress> look_up(std::string const& host) {
  if (auto const literal = IpAddress::parse_any(host)) return {*literal};
  return fetchers::addresses_of(host);
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  Error const wrong{Code::usage, "this is no HOST:PORT", std::string(text.substr(0, 120)),
                    "Write 192.0.2.1:6881, [2001:db8::1]:6881 or peer.example:6881"};
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong;
  std::string_view host = text.substr(0, colon);
  std::string_view const digits = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return wrong;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong;
  }
  std::uint16_t port = 0;
  auto const read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || port == 0) return wrong;
  for (char c : host)
    if (c <= ' ' || c == '/' || c == '@') return wrong;
  return HostPort{std::string(host), port};
}

bool is_literal_peer(std::string const& host_port) {
  auto const parsed = parse_host_port(host_port);
  return parsed && IpAddress::parse_any(parsed.value().host);
}

std::vector<fetchers::PeerAddress> resolve_peer(std::string const& host_port, AddressPolicy const& policy,
                                                bool named_by_operator) {
  std::vector<fetchers::PeerAddress> peers;
  auto const parsed = parse_host_port(host_port);
  if (!parsed) return peers;
  for (IpAddress const& address : look_up(parsed.value().host))
    if (policy.check(address, parsed.value().port, named_by_operator))
      peers.push_back({address.text(), parsed.value().port, named_by_operator});
  return peers;
}

std::optional<fetchers::PeerAddress> name_of_peer(std::string const& host_port) {
  constexpr std::size_t name_bytes_max = 253;  // RFC 1035, section 2.3.4, without the last dot
  auto const parsed = parse_host_port(host_port);
  if (!parsed || is_literal_peer(host_port) || parsed.value().host.size() > name_bytes_max) return std::nullopt;
  for (char const c : parsed.value().host)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') return std::nullopt;
  return fetchers::PeerAddress{parsed.value().host, parsed.value().port, false};
}

bool peer_may_be_allowed(std::string const& host_port, AddressPolicy const& policy) {
  auto const parsed = parse_host_port(host_port);
  if (!parsed) return false;
  auto const literal = IpAddress::parse_any(parsed.value().host);
  return !literal || policy.check(*literal, parsed.value().port, false);
}

Result<void> tracker_allowed(std::string const& url, AddressPolicy const& policy) {
  // Url reads http and https; a udp tracker's URL has the same shape.
  std::string const shape = url.starts_with("udp://") ? "http" + url.substr(3) : url;
  IMPOUND_TRY(parsed, fetchers::Url::parse(shape));
  if (!parsed.is_literal()) return ok();
  return policy.check(parsed.host(), parsed.port(), false);
}

std::vector<fetchers::AddressRule> blocked_rules(AddressPolicy const& policy) {
  std::vector<fetchers::AddressRule> rules;
  for (fetchers::AddressRange const& range : policy.blocked_ranges()) rules.push_back({range.first, range.last});
  return rules;
}

std::vector<fetchers::AllowedEndpoint> allowed_rules(AddressPolicy const& policy) {
  std::vector<fetchers::AllowedEndpoint> rules;
  for (fetchers::AllowedRange const& range : policy.allowed_ranges())
    rules.push_back({range.first, range.last, range.port});
  return rules;
}

Result<AddressPolicy> address_policy(std::vector<std::string> const& allow_net) {
  AddressPolicy policy;
  for (std::string const& network : allow_net)
    if (auto allowed = policy.allow(network); !allowed) {
      Error error = std::move(allowed).error();
      error.code = Code::usage;
      return error;
    }
  return policy;
}

std::vector<std::string> peer_texts(std::vector<fetchers::PeerAddress> const& peers) {
  std::vector<std::string> texts;
  for (fetchers::PeerAddress const& peer : peers) {
    bool const v6 = peer.ip.find(':') != std::string::npos;
    texts.push_back((v6 ? "[" + peer.ip + "]" : peer.ip) + ":" + std::to_string(peer.port));
  }
  return texts;
}

}  // namespace impound::agent
