// Hosts that a target names, turned into what the swarm may dial: looked up here, held against the one address table
// (P5). The worker gets addresses for peers; trackers keep their names, and its dial gate judges what they resolve to.
// Agent's thread: a look-up blocks for as long as the system's resolver does.
#pragma once

#include <string>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/torrents/swarm_messages.h"

namespace impound::agent {

struct HostPort {
  std::string host;  // IPv6 without brackets
  std::uint16_t port = 0;
};

/// "192.0.2.1:6881", "[2001:db8::1]:6881", "peer.example:6881". Code::usage for anything else.
Result<HostPort> parse_host_port(std::string_view text);

/// HOST:PORT whose host is an address.
bool is_literal_peer(std::string const& host_port);

/// The addresses of HOST:PORT that may be dialled; none when it does not resolve or the table refuses all of them.
/// `named_by_operator`: --peer, exempt for exactly this host and port.
std::vector<fetchers::PeerAddress> resolve_peer(std::string const& host_port, fetchers::AddressPolicy const& policy,
                                                bool named_by_operator);

/// HOST:PORT whose host is a name as the DNS has them, for the swarm worker to look up.
std::optional<fetchers::PeerAddress> name_of_peer(std::string const& host_port);

/// False for a peer that is no HOST:PORT or a blocked literal. Looks nothing up.
bool peer_may_be_allowed(std::string const& host_port, fetchers::AddressPolicy const& policy);

/// Code::refused for a tracker whose host is a blocked literal, or no http, https or udp URL.
Result<void> tracker_allowed(std::string const& url, fetchers::AddressPolicy const& policy);

/// The table and its holes, as the swarm's settings carry them.
std::vector<fetchers::AddressRule> blocked_rules(fetchers::AddressPolicy const& policy);
std::vector<fetchers::AllowedEndpoint> allowed_rules(fetchers::AddressPolicy const& policy);

/// The policy that settings and flags ask for. Code::usage for a network that is none.
Result<fetchers::AddressPolicy> address_policy(std::vector<std::string> const& allow_net);

/// HOST:PORT of each, as an attempt lists them.
std::vector<std::string> peer_texts(std::vector<fetchers::PeerAddress> const& peers);

}  // namespace impound::agent
