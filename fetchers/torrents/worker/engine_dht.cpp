// Peers from the DHT (BEP 5): asked for by hand, so that nothing is announced, private torrents are left out, and each
// address is judged before it is dialled. The third part of engine.h.
#include <algorithm>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/settings_pack.hpp>

#include "fetchers/torrents/worker/engine.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t peers_of_a_search_max = 200;
constexpr std::chrono::seconds gap_max{15 * 60};

/// What the DHT knows a torrent by: of a v2 info-hash the first 20 bytes (BEP 52).
std::vector<lt::sha1_hash> dht_names(InfoHashes const& hashes) {
  std::vector<lt::sha1_hash> names;
  if (hashes.v1) names.emplace_back(reinterpret_cast<char const*>(hashes.v1->bytes.data()));
  if (hashes.v2) names.emplace_back(reinterpret_cast<char const*>(hashes.v2->bytes.data()));
  return names;
}

InfoHashes const& hashes_of(TorrentJob const& job) { return job.torrent ? job.torrent->hashes : job.asked.hashes; }

/// Whoever announces a port is believed by nobody: a search must not make us knock at somebody's mail server. Peers
/// that hide as web servers are common.
bool port_of_a_peer(std::uint16_t port) { return port >= 1024 || port == 80 || port == 443; }

}  // namespace

bool Engine::asks_dht(TorrentJob const& job) const {
  return settings_.way_out.dht() && !(job.torrent && job.torrent->is_private);
}

void Engine::ask_dht(TorrentJob& job, SteadyTime now) {
  if (!asks_dht(job) || job.linger_until || now < job.dht_next) return;
  be_in_dht(true);
  job.dht_next = now + job.dht_gap;
  job.dht_gap = std::min(2 * job.dht_gap, gap_max);
  job.tried.see_dht(0);
  for (auto const& name : dht_names(hashes_of(job))) session_->dht_get_peers(name);
}

void Engine::be_in_dht(bool wanted) {
  if (wanted == in_dht_) return;
  lt::settings_pack settings;
  settings.set_bool(lt::settings_pack::enable_dht, wanted);
  session_->apply_settings(std::move(settings));
  in_dht_ = wanted;
}

/// A guest leaves when nothing is left to ask.
void Engine::leave_dht() {
  bool const wanted = std::any_of(jobs_.begin(), jobs_.end(), [this](auto const& one) {
    return !one.second.ending && !one.second.linger_until && asks_dht(one.second);
  });
  if (!wanted) be_in_dht(false);
}

void Engine::take_dht(lt::dht_get_peers_reply_alert const& alert) {
  auto peers = alert.peers();
  if (peers.size() > peers_of_a_search_max) peers.resize(peers_of_a_search_max);
  for (auto& [id, job] : jobs_) {
    auto const names = dht_names(hashes_of(job));
    bool const asked = std::find(names.begin(), names.end(), alert.info_hash) != names.end();
    if (!asked || job.ending || job.paused || !asks_dht(job)) continue;
    job.tried.see_dht(peers.size());
    provenance_->take_search(job, peers.size());
    for (auto const& peer : peers) {
      auto const bytes = address_bytes(peer.address().to_string());
      if (bytes && port_of_a_peer(peer.port()) && DialGate::of_this_process().allows(*bytes, peer.port()))
        job.handle.connect_peer(peer, lt::peer_info::dht);
    }
  }
}

}  // namespace impound::fetchers
