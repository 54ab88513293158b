#include "fetchers/torrents/worker/arrivals.h"

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <cstddef>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/torrent_handle.hpp>

namespace impound::fetchers {

Sender sender_of(lt::tcp::endpoint const& peer) {
  auto const address = peer.address();
  auto const v6 =
      address.is_v6() ? address.to_v6() : boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, address.to_v4());
  auto const bytes = v6.to_bytes();
  Sender sender{{}, peer.port()};
  std::transform(bytes.begin(), bytes.end(), sender.address.begin(), [](auto one) { return std::byte{one}; });
  return sender;
}

namespace {

class PeerNews final : public lt::peer_plugin {
 public:
  PeerNews(std::shared_ptr<Arrivals> arrivals, void const* torrent, Sender const& sender)
      : arrivals_(std::move(arrivals)), torrent_(torrent), sender_(sender) {}
  bool on_piece(lt::peer_request const& block, lt::span<char const>) override {
    if (arrivals_->listener != nullptr) arrivals_->listener->block_comes(torrent_, block, sender_);
    return false;
  }

 private:
  std::shared_ptr<Arrivals> arrivals_;
  void const* torrent_;  // compared, never followed
  Sender sender_;
};

class TorrentNews final : public lt::torrent_plugin {
 public:
  TorrentNews(std::shared_ptr<Arrivals> arrivals, void const* torrent)
      : arrivals_(std::move(arrivals)), torrent_(torrent) {}
  void on_piece_pass(lt::piece_index_t piece) override {
    if (arrivals_->listener != nullptr) arrivals_->listener->piece_passed(torrent_, piece);
  }
  std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override {
    return std::make_shared<PeerNews>(arrivals_, torrent_, sender_of(peer.remote()));
  }

 private:
  std::shared_ptr<Arrivals> arrivals_;
  void const* torrent_;  // compared, never followed
};

class PieceNews final : public lt::plugin {
 public:
  explicit PieceNews(std::shared_ptr<Arrivals> arrivals) : arrivals_(std::move(arrivals)) {}
  std::shared_ptr<lt::torrent_plugin> new_torrent(lt::torrent_handle const& handle, lt::client_data_t) override {
    return std::make_shared<TorrentNews>(arrivals_, handle.native_handle().get());
  }

 private:
  std::shared_ptr<Arrivals> arrivals_;
};

}  // namespace

std::shared_ptr<lt::plugin> piece_news(std::shared_ptr<Arrivals> arrivals) {
  return std::make_shared<PieceNews>(std::move(arrivals));
}

}  // namespace impound::fetchers
