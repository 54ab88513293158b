#include "fetchers/torrents/worker/peers_seen.h"

#include <chrono>
#include <libtorrent/bdecode.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_request.hpp>
#include <map>
#include <utility>

#include "fetchers/torrents/worker/arrivals.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t client_bytes_max = 200;
constexpr std::size_t sources_max = 20'000;  // addresses of one torrent; libtorrent itself keeps fewer

using Sources = std::map<Sender, lt::peer_source_flags_t>;

/// What every connection of the session shares.
struct Told {
  std::shared_ptr<PeersSeen> news;
  std::uint64_t connections = 0;
};

class SeenPeer final : public lt::peer_plugin {
 public:
  SeenPeer(std::shared_ptr<Told> told, std::shared_ptr<Sources const> sources, lt::torrent_handle const& torrent,
           lt::peer_connection_handle peer)
      : told_(std::move(told)), sources_(std::move(sources)), peer_(std::move(peer)) {
    seen_.torrent = torrent;
    seen_.number = ++told_->connections;
    seen_.at = sender_of(peer_.remote());
    seen_.first_us = utc_now_us();
  }

  void on_connected() override { seen_.connected_us = utc_now_us(); }
  bool on_handshake(lt::span<char const>) override {
    greeted_ = true;
    return true;
  }
  bool on_extension_handshake(lt::bdecode_node const& handshake) override {
    if (handshake.type() == lt::bdecode_node::dict_t) {
      auto const client = handshake.dict_find_string_value("v");
      seen_.client.assign(client.data(), std::min(client.size(), client_bytes_max));
    }
    tell();
    return true;
  }
  bool on_piece(lt::peer_request const& block, lt::span<char const>) override {
    ++seen_.blocks;
    seen_.bytes += static_cast<std::uint64_t>(block.length);
    return false;
  }
  /// A peer without extensions is told here.
  void tick() override {
    if (greeted_ && !is_told_) tell();
  }
  void on_disconnect(lt::error_code const& why) override {
    seen_.left_us = utc_now_us();
    seen_.why = why.message();
    tell();
  }

 private:
  void tell() {
    is_told_ = true;
    if (auto const found = sources_->find(seen_.at); found != sources_->end()) seen_.sources = found->second;
    if (greeted_) {
      auto const& id = peer_.pid();
      seen_.id.assign(id.data(), static_cast<std::size_t>(id.size()));
    }
    told_->news->tell(seen_);
  }

  std::shared_ptr<Told> told_;
  std::shared_ptr<Sources const> sources_;
  lt::peer_connection_handle peer_;
  PeerSeen seen_;
  bool greeted_ = false;
  bool is_told_ = false;
};

class SeenTorrent final : public lt::torrent_plugin {
 public:
  SeenTorrent(std::shared_ptr<Told> told, lt::torrent_handle torrent)
      : told_(std::move(told)), torrent_(std::move(torrent)) {}
  std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override {
    return std::make_shared<SeenPeer>(told_, sources_, torrent_, peer);
  }
  void on_add_peer(lt::tcp::endpoint const& peer, lt::peer_source_flags_t source, lt::add_peer_flags_t) override {
    auto const at = sender_of(peer);
    if (sources_->size() < sources_max || sources_->contains(at)) (*sources_)[at] |= source;
  }

 private:
  std::shared_ptr<Told> told_;
  std::shared_ptr<Sources> sources_ = std::make_shared<Sources>();
  lt::torrent_handle torrent_;
};

class PeersSeenPlugin final : public lt::plugin {
 public:
  explicit PeersSeenPlugin(std::shared_ptr<PeersSeen> news) : told_(std::make_shared<Told>(Told{std::move(news)})) {}
  std::shared_ptr<lt::torrent_plugin> new_torrent(lt::torrent_handle const& torrent, lt::client_data_t) override {
    return std::make_shared<SeenTorrent>(told_, torrent);
  }

 private:
  std::shared_ptr<Told> told_;
};

}  // namespace

std::shared_ptr<lt::plugin> peers_seen_plugin(std::shared_ptr<PeersSeen> seen) {
  return std::make_shared<PeersSeenPlugin>(std::move(seen));
}

std::uint64_t utc_now_us() {
  auto const since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

}  // namespace impound::fetchers
