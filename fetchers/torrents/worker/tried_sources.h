// Whom a job asked and what came of it, gathered from libtorrent's alerts: trackers that were handed over, and peers.
// One thread; bounded by the job's own list of trackers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <libtorrent/alert_types.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

class TriedSources {
 public:
  void begin(std::vector<std::string> const& trackers);
  /// A tracker that is not asked, and why.
  void leave_out(std::string_view url, std::string why);
  /// Takes what an alert says of a tracker or a peer; every other one is passed over.
  void take(lt::alert const& alert);
  void see_known_peers(int count) {
    tried_.peers_known = std::max(tried_.peers_known, static_cast<std::uint64_t>(std::max(count, 0)));
  }
  /// The DHT was asked, or has answered with so many peers.
  void see_dht(std::size_t peers) {
    tried_.dht = true;
    tried_.dht_peers = std::max(tried_.dht_peers, static_cast<std::uint64_t>(peers));
  }
  Tried told(std::string const& job) const;

 private:
  TriedTracker* tracker(std::string_view url);

  Tried tried_;
};

}  // namespace impound::fetchers
