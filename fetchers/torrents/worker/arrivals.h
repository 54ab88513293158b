// What the disk back end knows and the engine asks for: the SHA-256 of each file as its bytes arrived.
//
// The back end and libtorrent's plugins are on its network thread, the engine on main's: this is where they meet.
#pragma once

#include <cstdint>
#include <libtorrent/extensions.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "evidence/values/digest.h"
#include "fetchers/torrents/worker/disk/kept_torrent.h"

namespace impound::fetchers {

/// Told by libtorrent, on its network thread.
class PieceListener {
 public:
  virtual void piece_passed(void const* torrent, lt::piece_index_t piece) = 0;

 protected:
  ~PieceListener() = default;
};

class Arrivals {
 public:
  void arrived(std::string const& folder, int file, Sha256 const& digest) {
    std::lock_guard const lock{mutex_};
    digests_[folder][file] = digest;
  }
  std::optional<Sha256> of(std::string const& folder, int file) const {
    std::lock_guard const lock{mutex_};
    auto const torrent = digests_.find(folder);
    if (torrent == digests_.end()) return std::nullopt;
    auto const found = torrent->second.find(file);
    return found == torrent->second.end() ? std::nullopt : std::optional{found->second};
  }
  void forget(std::string const& folder) {
    std::lock_guard const lock{mutex_};
    digests_.erase(folder);
    behind_.erase(folder);
  }
  /// Whether digests of files that are there are still to come.
  void fell_behind(std::string const& folder, bool yes) {
    std::lock_guard const lock{mutex_};
    yes ? (void)behind_.insert(folder) : (void)behind_.erase(folder);
  }
  bool behind(std::string const& folder) const {
    std::lock_guard const lock{mutex_};
    return behind_.contains(folder);
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

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::map<int, Sha256>> digests_;  // by the job's folder and libtorrent's number
  std::set<std::string> behind_;
  DiskCounters counters_;
};

/// A plugin that tells the listener which pieces passed.
std::shared_ptr<lt::plugin> piece_news(std::shared_ptr<Arrivals> arrivals);

}  // namespace impound::fetchers
