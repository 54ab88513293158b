// The one thread that waits for the disk, so that the network's never does: batches, in the order in which they came.
//
// Bounded by who hands them over: payload beyond a limit that is not on the medium holds up the peers (arrival_disk).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "fetchers/torrents/worker/disk/batch.h"

namespace impound::fetchers {

class SyncThread {
 public:
  explicit SyncThread(std::shared_ptr<Disk> disk);
  /// What was handed over is carried out first.
  ~SyncThread();

  using Ended = std::function<void(Batch const& batch, Result<void> const& done)>;
  /// Any thread. `ended` is called on this object's thread.
  void hand_over(Batch batch, Ended ended);

 private:
  void run();

  std::shared_ptr<Disk> disk_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Batch, Ended>> waiting_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace impound::fetchers
