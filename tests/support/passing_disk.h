// A Disk that passes everything on to another: what a test changes of it is overridden.
#pragma once

#include <string_view>
#include <vector>

#include "evidence/system/disk.h"

namespace impound {

class PassingDisk : public Disk {
 public:
  explicit PassingDisk(Disk& disk) : disk_(disk) {}

  Result<DiskHandle> open(std::string_view path, Open how) override { return disk_.open(path, how); }
  void close(DiskHandle file) override { disk_.close(file); }
  Result<std::size_t> read(DiskHandle file, std::uint64_t at, std::span<std::byte> into) override {
    return disk_.read(file, at, into);
  }
  Result<void> forget_cached(DiskHandle file) override { return disk_.forget_cached(file); }
  Result<void> write(DiskHandle file, std::uint64_t at, Bytes bytes) override { return disk_.write(file, at, bytes); }
  Result<void> truncate(DiskHandle file, std::uint64_t size) override { return disk_.truncate(file, size); }
  Result<void> sync(DiskHandle file) override { return disk_.sync(file); }
  Result<void> sync_folder(std::string_view path) override { return disk_.sync_folder(path); }
  Result<void> sync_everything() override { return disk_.sync_everything(); }
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
  Disk& disk_;
};

}  // namespace impound
