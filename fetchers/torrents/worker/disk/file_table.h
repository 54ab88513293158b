// The files of one torrent on the disk: "<folder>/000042" by number, a bounded number of them open, and which of them
// hold bytes that are not on the medium yet.
//
// No name of a stranger's reaches the disk; the seam opens beneath the staging folder and follows no link
// (evidence/system/disk). Errors are the seam's: Code::no_space, Code::io.
//
// One thread.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "evidence/system/disk.h"

namespace impound::fetchers {

/// "000042".
std::string numbered_file(std::size_t index);

struct FileTableLimits {
  std::size_t open_max = 128;
  std::uint64_t reserve_from_bytes = 1u << 20;  // smaller files gain nothing by it
};

class FileTable {
 public:
  FileTable(Disk& disk, std::string folder, FileTableLimits const& limits)
      : disk_(disk), folder_(std::move(folder)), limits_(limits) {}

  /// `size`: the whole file's; room for it is taken on its first write, where it is a large one.
  Result<void> write(std::size_t file, std::uint64_t size, std::uint64_t offset, Bytes bytes);
  /// Code::not_found where the file or its bytes are not there.
  Result<void> read(std::size_t file, std::uint64_t offset, std::span<std::byte> into);
  /// The file's size; nothing when it is not there.
  std::optional<std::uint64_t> size_of(std::size_t file);
  /// What must be synced before anybody may say that it is there; from here on it is the caller's to do.
  struct Unsynced {
    std::vector<std::size_t> files;
    bool names = false;
  };
  Unsynced take_unsynced();
  /// Bytes of this file that an earlier process wrote count as well: it may have died before its sync.
  void note_unsynced(std::size_t file) { unsynced_.insert(file); }
  void close_all();

 private:
  Result<DiskHandle> open(std::size_t file, std::optional<std::uint64_t> make_of_size);
  std::string path(std::size_t file) const { return folder_ + "/" + numbered_file(file); }

  Disk& disk_;
  std::string folder_;
  FileTableLimits limits_;
  std::list<std::pair<std::size_t, DiskFile>> open_;  // the latest used in front
  std::unordered_map<std::size_t, std::list<std::pair<std::size_t, DiskFile>>::iterator> by_file_;
  std::set<std::size_t> unsynced_;
  bool names_unsynced_ = true;
};

}  // namespace impound::fetchers
