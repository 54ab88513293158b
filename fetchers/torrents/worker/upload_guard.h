// The second lock on uploads, which holds by itself: it swallows every request for payload, answers no request for
// metadata, chokes whoever libtorrent unchokes, keeps v2's hashes from who has nothing and from everybody once we need
// none ourselves, and counts payload bytes that leave in spite of all: there must be none.
//
// It must be the first plugin of the session. With libtorrent 2.0.8 that means the constructor's list, with ut_metadata
// and the rest added afterwards: a plugin added later never sees what ut_metadata has taken.
//
// libtorrent calls it on its network thread; the counters may be read from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <libtorrent/extensions.hpp>
#include <memory>

namespace impound::fetchers {

struct UploadCounters {
  std::atomic<std::uint64_t> requests{0};            // for payload, all refused
  std::atomic<std::uint64_t> metadata_requests{0};   // swallowed
  std::atomic<std::uint64_t> sent_payload_bytes{0};  // the tripwire
};

/// The torrent's user data, when it needs no hashes from peers: all of v2's came with its .torrent.
struct BringsAllHashes {};
inline BringsAllHashes brings_all_hashes{};

class UploadGuard final : public lt::plugin {
 public:
  explicit UploadGuard(UploadCounters& counters) : counters_(counters) {}
  std::shared_ptr<lt::torrent_plugin> new_torrent(lt::torrent_handle const&, lt::client_data_t) override;

 private:
  UploadCounters& counters_;
};

}  // namespace impound::fetchers
