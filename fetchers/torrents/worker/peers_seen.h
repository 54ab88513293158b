// Who the peers are: a libtorrent plugin beside the one that tells of blocks (arrivals), for the swarm record.
//
// On libtorrent's network thread a connection is told once its handshakes are through, and when it ends, with all that
// is known of it; for a block two numbers grow, nothing else. take() is the engine's thread. Nothing is dropped: there
// are at most as many as the session makes connections between two ticks.
//
// It is a plugin behind the UploadGuard, which stays the first, and changes nothing of what libtorrent does.
#pragma once

#include <cstdint>
#include <libtorrent/extensions.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fetchers/torrents/worker/disk/senders.h"

namespace impound::fetchers {

struct PeerSeen {
  lt::torrent_handle torrent;
  std::uint64_t number = 0;  // of the connection, in this worker
  Sender at;
  lt::peer_source_flags_t sources{};
  std::uint64_t first_us = 0;  // UTC
  std::optional<std::uint64_t> connected_us{};
  std::optional<std::uint64_t> left_us{};
  std::string id{};      // 20 bytes, once it has said hello
  std::string client{};  // of its extension handshake
  std::string why{};     // it left
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;
};

class PeersSeen {
 public:
  void tell(PeerSeen const& seen) {
    std::lock_guard const lock{mutex_};
    seen_.push_back(seen);
  }
  std::vector<PeerSeen> take() {
    std::lock_guard const lock{mutex_};
    return std::exchange(seen_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<PeerSeen> seen_;
};

std::shared_ptr<lt::plugin> peers_seen_plugin(std::shared_ptr<PeersSeen> seen);

std::uint64_t utc_now_us();

}  // namespace impound::fetchers
