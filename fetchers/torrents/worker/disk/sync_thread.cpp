#include "fetchers/torrents/worker/disk/sync_thread.h"

#include <pthread.h>

#include <utility>

namespace impound::fetchers {

SyncThread::SyncThread(std::shared_ptr<Disk> disk) : disk_(std::move(disk)), thread_([this] { run(); }) {}

SyncThread::~SyncThread() {
  {
    std::lock_guard const lock{mutex_};
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void SyncThread::hand_over(Batch batch, Ended ended) {
  {
    std::lock_guard const lock{mutex_};
    waiting_.emplace_back(std::move(batch), std::move(ended));
  }
  changed_.notify_one();
}

void SyncThread::run() {
  ::pthread_setname_np(::pthread_self(), "impound-sync");
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto const [batch, ended] = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    ended(batch, carry_out(*disk_, batch));
    lock.lock();
  }
}

}  // namespace impound::fetchers
