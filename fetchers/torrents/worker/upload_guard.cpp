#include "fetchers/torrents/worker/upload_guard.h"

#include <libtorrent/bdecode.hpp>
#include <libtorrent/peer_connection.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/torrent_peer.hpp>
#include <libtorrent/torrent_status.hpp>

namespace impound::fetchers {

namespace {

// libtorrent's own number for ut_metadata, in the handshakes it sends (2.0.x: ut_pex is 1, this is 2).
constexpr int ut_metadata_id = 2;

/// BEP 9: {"msg_type": 0, "piece": n} asks; 1 and 2 are answers, with bytes behind the dict that may be anything.
/// libtorrent answers also what does not parse whole, and takes 256 for 0: only what is an answer beyond doubt passes.
bool is_answer(lt::span<char const> body) {
  lt::error_code error;
  int position = 0;
  constexpr int depth_max = 10;
  constexpr int tokens_max = 100;
  auto const message = lt::bdecode(body, error, &position, depth_max, tokens_max);
  if (error || message.type() != lt::bdecode_node::dict_t) return false;
  auto const type = message.dict_find_int_value("msg_type", -1);
  return type == 1 || type == 2;
}

class GuardedPeer final : public lt::peer_plugin {
 public:
  /// `needs_hashes` is the torrent's, which outlives its peers.
  GuardedPeer(lt::peer_connection_handle peer, UploadCounters& counters, bool const& needs_hashes)
      : peer_(std::move(peer)), counters_(counters), needs_hashes_(needs_hashes) {}

  lt::string_view type() const override { return "upload_guard"; }

  // BEP 52's hash requests reach no plugin; libtorrent answers them for whoever it knows to speak v2. It has nothing
  // until it says what it has, and is asked nothing before either.
  bool on_handshake(lt::span<char const>) override { return withhold_hashes(false), true; }
  bool on_bitfield(lt::bitfield const& has) override { return withhold_hashes(has.count() > 0), false; }
  bool on_have_all() override { return withhold_hashes(true), false; }
  bool on_have(lt::piece_index_t) override { return withhold_hashes(true), false; }
  bool on_have_none() override { return withhold_hashes(false), false; }
  void tick() override { withhold_hashes(false); }
  void on_disconnect(lt::error_code const&) override {
    if (auto const peer = peer_.native_handle()) set_withheld(*peer, false);
  }

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
    if (message != ut_metadata_id || is_answer(body)) return false;
    ++counters_.metadata_requests;
    return true;
  }

 private:
  /// Hashes are for those whom we may have to ask for hashes: peers that have pieces, until we have all that we need.
  void withhold_hashes(bool says_that_it_has) {
    auto const peer = peer_.native_handle();
    if (!peer) return;
    bool const has_pieces = says_that_it_has || peer->num_have_pieces() > 0;
    set_withheld(*peer, !needs_hashes_ || !has_pieces);
  }
  /// What libtorrent has learnt of a peer also decides by which hash it is dialled again: it is put back at the end.
  void set_withheld(lt::peer_connection& peer, bool withheld) {
    lt::torrent_peer* const known = peer.peer_info_struct();
    if (known == nullptr || (withheld ? !known->protocol_v2 : !withheld_)) return;
    known->protocol_v2 = !withheld;
    withheld_ = withheld;
  }

  lt::peer_connection_handle peer_;
  UploadCounters& counters_;
  bool const& needs_hashes_;
  bool fast_offered_ = false;
  bool withheld_ = false;
};

class GuardedTorrent final : public lt::torrent_plugin {
 public:
  GuardedTorrent(UploadCounters& counters, bool needs_hashes)
      : counters_(counters), ever_needs_hashes_(needs_hashes), needs_hashes_(needs_hashes) {}
  std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override {
    return std::make_shared<GuardedPeer>(peer, counters_, needs_hashes_);
  }
  void on_state(lt::torrent_status::state_t state) override {
    // One of which nothing is wanted yet is "finished", too, and comes back from that.
    bool const finished = state == lt::torrent_status::finished || state == lt::torrent_status::seeding;
    needs_hashes_ = ever_needs_hashes_ && !finished;
  }

 private:
  UploadCounters& counters_;
  bool const ever_needs_hashes_;
  bool needs_hashes_;
};

}  // namespace

std::shared_ptr<lt::torrent_plugin> UploadGuard::new_torrent(lt::torrent_handle const&, lt::client_data_t about) {
  // A .torrent brings its piece layers along. What 2.0.8 exports does not tell when those of a magnet are complete.
  return std::make_shared<GuardedTorrent>(counters_, about.get<BringsAllHashes>() == nullptr);
}

}  // namespace impound::fetchers
