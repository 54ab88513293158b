#include "fetchers/torrents/worker/arrivals.h"

#include <libtorrent/torrent_handle.hpp>

namespace impound::fetchers {

namespace {

class TorrentNews final : public lt::torrent_plugin {
 public:
  TorrentNews(std::shared_ptr<Arrivals> arrivals, void const* torrent)
      : arrivals_(std::move(arrivals)), torrent_(torrent) {}
  void on_piece_pass(lt::piece_index_t piece) override {
    if (arrivals_->listener != nullptr) arrivals_->listener->piece_passed(torrent_, piece);
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
