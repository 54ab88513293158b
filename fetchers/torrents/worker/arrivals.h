// What the disk back end knows and the engine asks for: the SHA-256 of each file as its bytes arrived, told when those
// bytes are on the medium.
//
// The back end and libtorrent's plugins are on its network thread, the engine on main's: this is where they meet.
#pragma once

#include <cstdint>
#include <functional>
#include <libtorrent/extensions.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/socket.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evidence/values/digest.h"
#include "fetchers/torrents/worker/disk/kept_torrent.h"

namespace impound::fetchers {

/// A piece that did not hash.
struct PieceLost {
  std::uint64_t time_us = 0;  // UTC
  std::uint64_t piece = 0;
  std::vector<LostRun> from;  // who had sent its blocks
};

Sender sender_of(lt::tcp::endpoint const& peer);

/// Told by libtorrent, on its network thread.
class PieceListener {
 public:
  virtual void piece_passed(void const* torrent, lt::piece_index_t piece) = 0;
  /// The block is written next, if libtorrent wants it.
  virtual void block_comes(void const* torrent, lt::peer_request const& block, Sender const& sender) = 0;

 protected:
  ~PieceListener() = default;
};

constexpr std::uint64_t reached_step_bytes = 32u << 20;
constexpr std::uint64_t reached_from_bytes = 2 * reached_step_bytes;  // smaller files are whole soon enough

class Arrivals {
 public:
  void arrived(std::string const& folder, int file, Sha256 const& digest) {
    {
      std::lock_guard const lock{mutex_};
      auto& known = digests_[folder][file];
      if (known == digest) return;
      known = digest;
      if (auto const far = reached_.find(folder); far != reached_.end()) far->second.erase(file);
    }
    if (wake) wake();
  }
  void reached(std::string const& folder, int file, std::uint64_t bytes) {
    bool far = false;
    {
      std::lock_guard const lock{mutex_};
      auto& known = reached_[folder][file];
      far = bytes / reached_step_bytes > known / reached_step_bytes;
      known = bytes;
    }
    if (far && wake) wake();
  }
  /// Bytes of large files that are not whole, by libtorrent's number.
  std::map<int, std::uint64_t> reached(std::string const& folder) const {
    std::lock_guard const lock{mutex_};
    auto const found = reached_.find(folder);
    return found == reached_.end() ? std::map<int, std::uint64_t>{} : found->second;
  }
  std::optional<Sha256> of(std::string const& folder, int file) const {
    std::lock_guard const lock{mutex_};
    auto const torrent = digests_.find(folder);
    if (torrent == digests_.end()) return std::nullopt;
    auto const found = torrent->second.find(file);
    return found == torrent->second.end() ? std::nullopt : found->second;
  }
  /// A piece that is handed to libtorrent whole, by no peer.
  void comes_from(std::string const& folder, int piece, Sender const& sender) {
    std::lock_guard const lock{mutex_};
    whole_[folder][piece] = sender;
  }
  std::optional<Sender> whole_piece_of(std::string const& folder, int piece) const {
    std::lock_guard const lock{mutex_};
    auto const torrent = whole_.find(folder);
    if (torrent == whole_.end()) return std::nullopt;
    auto const found = torrent->second.find(piece);
    return found == torrent->second.end() ? std::nullopt : std::optional{found->second};
  }
  void judged(std::string const& folder, int piece) {
    std::lock_guard const lock{mutex_};
    if (auto const torrent = whole_.find(folder); torrent != whole_.end()) torrent->second.erase(piece);
  }
  void forget(std::string const& folder) {
    std::lock_guard const lock{mutex_};
    digests_.erase(folder);
    broken_.erase(folder);
    left_.erase(folder);
    reached_.erase(folder);
    whole_.erase(folder);
    lost_.erase(folder);
  }
  /// Files that the agent took away in an earlier worker's time; by their number among those that are no padding.
  void files_left(std::string const& folder, std::vector<bool> files) {
    std::lock_guard const lock{mutex_};
    left_[folder] = std::move(files);
  }
  std::vector<bool> left(std::string const& folder) const {
    std::lock_guard const lock{mutex_};
    auto const found = left_.find(folder);
    return found == left_.end() ? std::vector<bool>{} : found->second;
  }
  void lost(std::string const& folder, PieceLost piece) {
    std::lock_guard const lock{mutex_};
    lost_[folder].push_back(std::move(piece));
  }
  /// Those since the last call.
  std::vector<PieceLost> take_lost(std::string const& folder) {
    std::lock_guard const lock{mutex_};
    auto found = lost_.extract(folder);
    return found ? std::move(found.mapped()) : std::vector<PieceLost>{};
  }
  /// The disk failed: no further digest comes.
  void broke(std::string const& folder, DiskFailure const& failure) {
    {
      std::lock_guard const lock{mutex_};
      auto& known = broken_.try_emplace(folder, failure).first->second;
      known.payload_unsure |= failure.payload_unsure;
    }
    if (wake) wake();
  }
  std::optional<DiskFailure> broken(std::string const& folder) const {
    std::lock_guard const lock{mutex_};
    auto const found = broken_.find(folder);
    return found == broken_.end() ? std::nullopt : std::optional{found->second};
  }
  /// From a torrent's beginning until its last batch has ended.
  void in_use(std::string const& folder) {
    std::lock_guard const lock{mutex_};
    ++in_use_[folder];
  }
  void let_go(std::string const& folder) {
    {
      std::lock_guard const lock{mutex_};
      if (--in_use_[folder] == 0) in_use_.erase(folder);
    }
    if (wake) wake();
  }
  bool is_in_use(std::string const& folder) const {
    std::lock_guard const lock{mutex_};
    return in_use_.contains(folder);
  }
  void count(DiskCounters const& counters) {
    std::lock_guard const lock{mutex_};
    counters_ = counters;
  }
  DiskCounters counters() const {
    std::lock_guard const lock{mutex_};
    return counters_;
  }

  PieceListener* listener = nullptr;  // network thread only
  std::function<void()> wake;         // called there when there is something new; set before it begins

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::map<int, std::optional<Sha256>>> digests_;  // by the job's folder and libtorrent's number
  std::map<std::string, std::map<int, std::uint64_t>> reached_;
  std::map<std::string, std::map<int, Sender>> whole_;
  std::map<std::string, std::vector<PieceLost>> lost_;
  std::map<std::string, DiskFailure> broken_;
  std::map<std::string, unsigned> in_use_;  // storages
  std::map<std::string, std::vector<bool>> left_;
  DiskCounters counters_;
};

/// A plugin that tells the listener which pieces passed, and who sends each block.
std::shared_ptr<lt::plugin> piece_news(std::shared_ptr<Arrivals> arrivals);

}  // namespace impound::fetchers
