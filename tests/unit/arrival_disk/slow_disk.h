// A disk in memory whose syncs wait until they are let go, or fail.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "tests/support/passing_disk.h"
#include "tests/support/simulated_disk.h"

namespace impound::fetchers::test {

class SlowDisk final : public PassingDisk {
 public:
  SlowDisk() : PassingDisk(disk_) {}
  SimulatedDisk& disk() { return disk_; }
  void hold_syncs(bool yes) {
    std::lock_guard const lock{mutex_};
    held_ = yes;
    changed_.notify_all();
  }
  /// Only this file takes no bytes any more, as on a full disk where all others have their room.
  void fill(std::string const& path) {
    std::lock_guard const lock{mutex_};
    full_ = path;
  }
  void fail_syncs(bool yes) {
    std::lock_guard const lock{mutex_};
    failing_ = yes;
  }

  Result<DiskHandle> open(std::string_view path, Open how) override {
    auto opened = PassingDisk::open(path, how);
    std::lock_guard const lock{mutex_};
    if (opened) paths_[opened.value()] = path;
    return opened;
  }
  Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) override {
    {
      std::lock_guard const lock{mutex_};
      if (!full_.empty() && paths_[file] == full_) return Error{Code::no_space, "the disk is full", full_, {}};
    }
    return PassingDisk::write(file, offset, bytes);
  }
  Result<void> sync(DiskHandle file) override {
    IMPOUND_CHECK(wait_for_syncs());
    return PassingDisk::sync(file);
  }
  Result<void> sync_everything() override {
    IMPOUND_CHECK(wait_for_syncs());
    return PassingDisk::sync_everything();
  }

 private:
  Result<void> wait_for_syncs() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !held_; });
    if (failing_) return Error{Code::io, "the sync failed", {}, {}};
    return ok();
  }

  SimulatedDisk disk_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool failing_ = false;
  std::string full_;
  std::map<DiskHandle, std::string> paths_;
};

}  // namespace impound::fetchers::test
