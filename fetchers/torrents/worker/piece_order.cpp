#include "fetchers/torrents/worker/piece_order.h"

#include <algorithm>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <vector>

#include "fetchers/torrents/worker/torrent_job.h"

namespace impound::fetchers {

namespace {

constexpr std::chrono::seconds look_every{1};
constexpr std::size_t copies_enough = 2;

}  // namespace

bool PieceOrder::see(CopiesInSight const& sight, std::chrono::steady_clock::time_point now) {
  if (!sight.whole) return false;
  bool const may_be_lost = sight.peers + sight.web_seeds >= 2 && *sight.whole + sight.web_seeds < copies_enough;
  if (may_be_lost == rarest_first_) {
    otherwise_since_.reset();
    return false;
  }
  if (!otherwise_since_) otherwise_since_ = now;
  if (now - *otherwise_since_ < (may_be_lost ? limits_.rarest_after : limits_.in_order_after)) return false;
  rarest_first_ = may_be_lost;
  otherwise_since_.reset();
  return true;
}

void order_pieces(TorrentJob& job, std::chrono::steady_clock::time_point now, std::size_t web_seeds) {
  if (now - job.order_looked_at < look_every || job.status.state != lt::torrent_status::downloading ||
      !job.choice_in_force || job.status.distributed_full_copies < 0)
    return;
  job.order_looked_at = now;
  CopiesInSight sight;
  sight.whole = static_cast<unsigned>(job.status.distributed_full_copies);
  sight.web_seeds = web_seeds;
  // Who has pieces is asked only where it matters: the answer keeps libtorrent's thread busy.
  if (job.status.num_peers > 0 && *sight.whole + web_seeds < copies_enough) {
    std::vector<lt::peer_info> peers;
    job.handle.get_peer_info(peers);
    sight.peers = static_cast<std::size_t>(std::count_if(peers.begin(), peers.end(), [](lt::peer_info const& peer) {
      return peer.connection_type == lt::peer_info::standard_bittorrent && peer.num_pieces > 0;
    }));
  }
  if (!job.order.see(sight, now)) return;
  if (job.order.rarest_first())
    job.handle.unset_flags(lt::torrent_flags::sequential_download);
  else
    job.handle.set_flags(lt::torrent_flags::sequential_download);
}

}  // namespace impound::fetchers
