// Whom an acquisition asks: trackers, peers and web seeds, bounded, held against the address table, and in the log
// before they are asked. See acquisition.h.
#include <algorithm>

#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "agent/work/listed_sources.h"
#include "agent/work/web_seeds.h"

namespace impound::agent {

namespace {

constexpr std::size_t trackers_max = 100;  // of one torrent, each of at most
constexpr std::size_t tracker_bytes_max = 1024;
constexpr std::size_t content_peers_max = 16;  // x.pe: each may be a name to look up

}  // namespace

/// Sources that the address table refuses as they are written, and peers by name that a proxy cannot be asked for;
/// other names are judged by what they resolve to, later.
std::vector<std::string> Acquisitions::refused_sources(TorrentTarget const& target, Route const& route) const {
  std::vector<std::string> refused;
  for (std::string const& tracker : target.trackers)
    if (!tracker_allowed(tracker, policy_)) refused.push_back(tracker);
  for (std::string const& peer : target.peers)
    if (!peer_may_be_allowed(peer, policy_) || (route.proxy && !is_literal_peer(peer))) refused.push_back(peer);
  for (auto const& seeds : {target.web_seeds, target.http_seeds})
    for (std::string const& seed : seeds)
      if (!web_seed_allowed(seed, policy_)) refused.push_back(seed);
  return refused;
}

/// Nobody is asked whom the log has no room for; whom an earlier run asked, or was about to, is asked again.
void Acquisitions::bound_sources(Wanted& wanted, OpenAcquisition const* open) {
  auto const known = [open](char const* key) {
    return open == nullptr ? std::vector<std::string>{} : texts_field(open->body, key);
  };
  keep_listed(wanted.target.trackers, known("trackers"));
  keep_listed(wanted.target.web_seeds, known("web_seeds"));
  keep_listed(wanted.target.http_seeds, known("http_seeds"));
  if (wanted.target.peers.size() > content_peers_max) wanted.target.peers.resize(content_peers_max);
  keep_listed(wanted.target.peers, known("peers"), wanted.peers);
}

fetchers::SwarmJob Acquisitions::job_for(Wanted const& wanted, EntryId const& attempt, Route const& route) const {
  fetchers::SwarmJob job;
  job.id = attempt.text();
  job.folder = attempt.text();
  job.hashes = wanted.target.hashes;
  job.torrent = wanted.target.torrent;
  job.metadata_only = wanted.metadata_only;
  job.choose_files = !wanted.metadata_only;
  job.metadata_timeout_s = static_cast<std::uint64_t>(settings_.metadata_timeout.count());
  if (wanted.timeout) job.idle_timeout_s = static_cast<std::uint64_t>(wanted.timeout->count());
  for (std::string const& tracker : wanted.target.trackers)
    if (job.trackers.size() < trackers_max && tracker.size() <= tracker_bytes_max && tracker_allowed(tracker, policy_))
      job.trackers.push_back(tracker);
  job.web_seeds = web_seeds_for(wanted.target, policy_);
  auto const dial = [&](std::string const& peer, bool named_by_operator) {
    // Nobody here looks a name up for a route with a proxy, and a proxy is asked by libtorrent for addresses alone.
    if (route.proxy && !is_literal_peer(peer)) return;
    for (fetchers::PeerAddress& address : resolve_peer(peer, policy_, named_by_operator))
      job.peers.push_back(std::move(address));
  };
  for (std::string const& peer : wanted.peers) dial(peer, true);
  for (std::string const& peer : wanted.target.peers) {
    // A name of content's choice is not waited for here.
    if (auto name = name_of_peer(peer); name && !route.proxy)
      job.peers.push_back(std::move(*name));
    else
      dial(peer, false);
  }
  return job;
}

}  // namespace impound::agent
