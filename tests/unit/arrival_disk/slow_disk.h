// A disk in memory whose syncs wait until they are let go, or fail.
#pragma once

#include <condition_variable>
#include <mutex>

#include "tests/support/simulated_disk.h"

namespace impound::fetchers::test {

class SlowDisk final : public Disk {
 public:
  SimulatedDisk& disk() { return disk_; }
  void hold_syncs(bool yes) {
    std::lock_guard const lock{mutex_};
    held_ = yes;
    changed_.notify_all();
  }
  void fail_syncs(bool yes) {
    std::lock_guard const lock{mutex_};
    failing_ = yes;
  }

  Result<DiskHandle> open(std::string_view path, Open how) override { return disk_.open(path, how); }
  void close(DiskHandle file) override { disk_.close(file); }
  Result<std::size_t> read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) override {
    return disk_.read(file, offset, into);
  }
  Result<void> forget_cached(DiskHandle file) override { return disk_.forget_cached(file); }
  Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) override {
    return disk_.write(file, offset, bytes);
  }
  Result<void> truncate(DiskHandle file, std::uint64_t size) override { return disk_.truncate(file, size); }
  Result<void> sync(DiskHandle file) override {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !held_; });
    if (failing_) return Error{Code::io, "the sync failed", {}, {}};
    lock.unlock();
    return disk_.sync(file);
  }
  Result<void> sync_folder(std::string_view path) override { return disk_.sync_folder(path); }
  Result<void> sync_everything() override {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !held_; });
    if (failing_) return Error{Code::io, "the sync failed", {}, {}};
    lock.unlock();
    return disk_.sync_everything();
  }
  Result<void> rename(std::string_view from, std::string_view to, Replace replace) override {
    return disk_.rename(from, to, replace);
  }
  Result<void> remove(std::string_view path) override { return disk_.remove(path); }
  Result<void> remove_folder(std::string_view path) override { return disk_.remove_folder(path); }
  Result<void> make_folder(std::string_view path) override { return disk_.make_folder(path); }
  Result<void> set_mode(DiskHandle file, std::uint32_t mode) override { return disk_.set_mode(file, mode); }
  Result<FileFacts> facts(DiskHandle file) override { return disk_.facts(file); }
  Result<FileFacts> facts_of(std::string_view path) override { return disk_.facts_of(path); }
  Result<std::vector<FolderEntry>> list(std::string_view path, std::size_t entries_max) override {
    return disk_.list(path, entries_max);
  }
  Result<std::uint64_t> free_bytes() override { return disk_.free_bytes(); }
  Result<Lease> take_lease(DiskHandle file) override { return disk_.take_lease(file); }
  bool lease_held(DiskHandle file) override { return disk_.lease_held(file); }
  void drop_lease(DiskHandle file) override { disk_.drop_lease(file); }

 private:
  SimulatedDisk disk_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool failing_ = false;
};

}  // namespace impound::fetchers::test
