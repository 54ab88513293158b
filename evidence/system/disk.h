// The seam to the disk, at the level of system calls: nothing else in evidence/ opens, writes, renames or syncs.
//
// A Disk stands on one folder (a vault, or STATE) held by a descriptor. Every path is relative to it, UTF-8 or plain
// bytes, with '/' between the parts; "" is the folder itself. A path that would leave the folder, or meet a symbolic
// link on its way, is refused (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
//
// LinuxDisk may be used from any thread. Tests have a SimulatedDisk that cuts, fails and tears at every step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound {

/// An open file of a Disk; plain number, owned through DiskFile.
using DiskHandle = int;

enum class Open {
  read,    // O_RDONLY | O_NOFOLLOW | O_NONBLOCK; a device that lies there is refused, never opened
  write,   // O_RDWR, must exist
  create,  // O_RDWR | O_CREAT | O_EXCL, mode 0600: must be new
  write_or_create,
};

enum class Replace { no, yes };

struct FileFacts {
  enum class Type { file, folder, other };
  Type type = Type::other;
  std::uint64_t size = 0;
  std::uint64_t links = 0;
  std::uint32_t mode = 0;   // permission bits
  std::uint32_t owner = 0;  // uid
  std::int64_t modified_ns = 0;
  std::uint64_t allocated = 0;  // bytes of the disk; less than its size where it has holes
  std::uint64_t inode = 0;      // whose name it is, of its file system,
  std::uint64_t device = 0;     // which this is

  /// Without `allocated`, which changes when pages that were written reach the disk, and without which file it is.
  bool operator==(FileFacts const& other) const {
    return std::tie(type, size, links, mode, owner, modified_ns) ==
           std::tie(other.type, other.size, other.links, other.mode, other.owner, other.modified_ns);
  }
};

struct FolderEntry {
  std::string name;
  FileFacts::Type type = FileFacts::Type::other;
};

enum class Lease { taken, busy, unsupported };

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<DiskHandle> open(std::string_view path, Open how) = 0;
  virtual void close(DiskHandle file) = 0;
  /// Bytes read, 0 at the end of the file.
  virtual Result<std::size_t> read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) = 0;
  /// What the page cache holds of it and calls clean is let go of, so that the next read is from the disk itself: after
  /// a failed sync the two may differ, and no later sync says so. Best effort where a file system has no such cache.
  virtual Result<void> forget_cached(DiskHandle file) = 0;
  /// All bytes, or an error.
  virtual Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) = 0;
  virtual Result<void> truncate(DiskHandle file, std::uint64_t size) = 0;
  /// Takes room for the first `size` bytes of a file, which then has that size (fallocate); Code::no_space. Nothing
  /// where the file system cannot.
  virtual Result<void> reserve(DiskHandle, std::uint64_t /*size*/) { return ok(); }
  /// fdatasync. An error is final for everything not yet acknowledged: never retried.
  virtual Result<void> sync(DiskHandle file) = 0;
  virtual Result<void> sync_folder(std::string_view path) = 0;
  /// syncfs on a descriptor opened when the Disk was made, so that no earlier write-back error is missed.
  virtual Result<void> sync_everything() = 0;
  virtual Result<void> rename(std::string_view from, std::string_view to, Replace replace) = 0;
  virtual Result<void> remove(std::string_view path) = 0;         // a file
  virtual Result<void> remove_folder(std::string_view path) = 0;  // an empty folder
  virtual Result<void> make_folder(std::string_view path) = 0;    // 0700; Code::exists when it is there
  virtual Result<void> set_mode(DiskHandle file, std::uint32_t mode) = 0;
  virtual Result<FileFacts> facts(DiskHandle file) = 0;
  virtual Result<FileFacts> facts_of(std::string_view path) = 0;  // does not follow a link
  /// Sorted by name; at most `entries_max`, else Code::refused.
  virtual Result<std::vector<FolderEntry>> list(std::string_view path, std::size_t entries_max = 10'000'000) = 0;
  virtual Result<std::uint64_t> free_bytes() = 0;
  /// F_SETLEASE F_RDLCK: refused (busy) while anybody has the file open for writing or maps it so.
  virtual Result<Lease> take_lease(DiskHandle file) = 0;
  virtual bool lease_held(DiskHandle file) = 0;
  virtual void drop_lease(DiskHandle file) = 0;
};

/// Owns a DiskHandle.
class DiskFile {
 public:
  DiskFile() = default;
  DiskFile(Disk& disk, DiskHandle handle) : disk_(&disk), handle_(handle) {}
  ~DiskFile() { reset(); }
  DiskFile(DiskFile&& other) noexcept : disk_(other.disk_), handle_(other.handle_) { other.disk_ = nullptr; }
  DiskFile& operator=(DiskFile&& other) noexcept {
    if (this != &other) {
      reset();
      disk_ = other.disk_;
      handle_ = other.handle_;
      other.disk_ = nullptr;
    }
    return *this;
  }
  static Result<DiskFile> open(Disk& disk, std::string_view path, Open how);

  explicit operator bool() const { return disk_ != nullptr; }
  DiskHandle handle() const { return handle_; }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) {
    return disk_->read(handle_, offset, into);
  }
  Result<void> write(std::uint64_t offset, Bytes bytes) { return disk_->write(handle_, offset, bytes); }
  Result<void> forget_cached() { return disk_->forget_cached(handle_); }
  Result<void> truncate(std::uint64_t size) { return disk_->truncate(handle_, size); }
  Result<void> sync() { return disk_->sync(handle_); }
  Result<void> set_mode(std::uint32_t mode) { return disk_->set_mode(handle_, mode); }
  Result<FileFacts> facts() { return disk_->facts(handle_); }
  void reset() {
    if (disk_ != nullptr) disk_->close(handle_);
    disk_ = nullptr;
  }

 private:
  Disk* disk_ = nullptr;
  DiskHandle handle_ = -1;
};

/// The whole file; more than `bytes_max` is Code::refused.
Result<std::string> read_whole(Disk& disk, std::string_view path, std::uint64_t bytes_max);

/// Writes `path` so that a crash leaves the old or the new file, never a mixture: `path`.tmp, fdatasync, rename, folder
/// sync.
Result<void> write_whole(Disk& disk, std::string_view path, Bytes bytes, Replace replace);

/// Makes each missing folder on the way to `path` (which names a folder) and syncs its parent.
Result<void> make_folders(Disk& disk, std::string_view path);

/// The folder part of a path, "" when it has none.
std::string_view folder_of(std::string_view path);

class LinuxDisk final : public Disk {
 public:
  /// Opens the folder at `path` (a path of the process, links in it are followed). Code::not_found when it is not
  /// there.
  static Result<std::unique_ptr<LinuxDisk>> open_at(std::string const& path);
  ~LinuxDisk() override;

  /// The folder's own descriptor, for flock and for handing to a child.
  int folder() const { return folder_; }

  Result<DiskHandle> open(std::string_view path, Open how) override;
  void close(DiskHandle file) override;
  Result<std::size_t> read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) override;
  Result<void> forget_cached(DiskHandle file) override;
  Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) override;
  Result<void> truncate(DiskHandle file, std::uint64_t size) override;
  Result<void> reserve(DiskHandle file, std::uint64_t size) override;
  Result<void> sync(DiskHandle file) override;
  Result<void> sync_folder(std::string_view path) override;
  Result<void> sync_everything() override;
  Result<void> rename(std::string_view from, std::string_view to, Replace replace) override;
  Result<void> remove(std::string_view path) override;
  Result<void> remove_folder(std::string_view path) override;
  Result<void> make_folder(std::string_view path) override;
  Result<void> set_mode(DiskHandle file, std::uint32_t mode) override;
  Result<FileFacts> facts(DiskHandle file) override;
  Result<FileFacts> facts_of(std::string_view path) override;
  Result<std::vector<FolderEntry>> list(std::string_view path, std::size_t entries_max) override;
  Result<std::uint64_t> free_bytes() override;
  Result<Lease> take_lease(DiskHandle file) override;
  bool lease_held(DiskHandle file) override;
  void drop_lease(DiskHandle file) override;

 private:
  LinuxDisk(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}
  Result<int> open_beneath(std::string_view path, int flags, std::uint32_t mode);
  /// The folder that holds `path`, opened beneath ours, for the *at calls.
  Result<int> parent_of(std::string_view path, std::string& last);
  std::string place(std::string_view path) const;

  int folder_ = -1;
  std::string name_;
};

}  // namespace impound
