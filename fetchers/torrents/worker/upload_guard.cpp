#include "fetchers/torrents/worker/upload_guard.h"

#include <libtorrent/bdecode.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_request.hpp>

namespace impound::fetchers {

namespace {

// libtorrent's own number for ut_metadata, in the handshakes it sends (2.0.x: ut_pex is 1, this is 2).
constexpr int ut_metadata_id = 2;

/// BEP 9: {"msg_type": 0, "piece": n} asks; 1 and 2 are answers, with bytes behind the dict that may be anything.
bool asks_for_metadata(lt::span<char const> body) {
  lt::error_code error;
  int position = 0;
  constexpr int depth_max = 10;
  constexpr int tokens_max = 100;
  auto const message = lt::bdecode(body, error, &position, depth_max, tokens_max);
  return !error && message.type() == lt::bdecode_node::dict_t && message.dict_find_int_value("msg_type", -1) == 0;
}

class GuardedPeer final : public lt::peer_plugin {
 public:
  GuardedPeer(lt::peer_connection_handle peer, UploadCounters& counters)
      : peer_(std::move(peer)), counters_(counters) {}

  lt::string_view type() const override { return "upload_guard"; }

  bool on_request(lt::peer_request const&) override {
    ++counters_.requests;
    // A choked peer's request is left to libtorrent, which rejects it and drops those who go on. But a peer that was
    // told it may ask in spite of being choked would be served: swallow.
    return !(peer_.is_choked() && !fast_offered_);
  }

  void sent_unchoke() override { peer_.choke_this_peer(); }
  void sent_allow_fast(lt::piece_index_t) override { fast_offered_ = true; }
  void sent_payload(int bytes) override { counters_.sent_payload_bytes += static_cast<std::uint64_t>(bytes); }

  bool on_extended(int, int message, lt::span<char const> body) override {
    if (message != ut_metadata_id || !asks_for_metadata(body)) return false;
    ++counters_.metadata_requests;
    return true;
  }

 private:
  lt::peer_connection_handle peer_;
  UploadCounters& counters_;
  bool fast_offered_ = false;
};

class GuardedTorrent final : public lt::torrent_plugin {
 public:
  explicit GuardedTorrent(UploadCounters& counters) : counters_(counters) {}
  std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override {
    return std::make_shared<GuardedPeer>(peer, counters_);
  }

 private:
  UploadCounters& counters_;
};

}  // namespace

std::shared_ptr<lt::torrent_plugin> UploadGuard::new_torrent(lt::torrent_handle const&, lt::client_data_t) {
  return std::make_shared<GuardedTorrent>(counters_);
}

}  // namespace impound::fetchers
