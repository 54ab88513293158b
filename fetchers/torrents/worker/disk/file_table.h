// The files of one torrent on the disk: "<folder>/000042" by number, a bounded number of them open, and which of them
// hold bytes that are not on the medium yet.
//
// No name of a stranger's reaches the disk; the seam opens beneath the staging folder and follows no link
// (evidence/system/disk). Errors are the seam's: Code::no_space, Code::io.
//
// A file is open for writing only while it is written to: whoever is to take it over gets no lease on it before
// (evidence/sealing), and let_go() says when that is.
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

  /// `size`: the whole file's, or as much as there will be of it; room for it is taken when it is opened, where it is a
  /// large one.
  Result<void> write(std::size_t file, std::uint64_t size, std::uint64_t offset, Bytes bytes);
  /// Code::not_found where the file or its bytes are not there.
  Result<void> read(std::size_t file, std::uint64_t offset, std::span<std::byte> into);
  /// The file's size; nothing when it is not there.
  std::optional<std::uint64_t> size_of(std::size_t file);
  /// Its next bytes are read from the medium, but for those that are not there yet.
  void forget_cached(std::size_t file);
  /// What must be synced before anybody may say that it is there; from here on it is the caller's to do.
  struct Unsynced {
    std::vector<std::size_t> files;
    bool names = false;
  };
  Unsynced take_unsynced();
  /// Nothing is written to this file any more.
  void let_go(std::size_t file);
  /// Bytes of this file that an earlier process wrote count as well: it may have died before its sync.
  void note_unsynced(std::size_t file) { unsynced_.insert(file); }
  void close_all();

 private:
  struct Opened {
    std::size_t file = 0;
    bool to_write = false;
    DiskFile at;
  };

  Result<DiskHandle> open_to_read(std::size_t file);
  Result<DiskHandle> open_to_write(std::size_t file, std::uint64_t size);
  DiskHandle keep(std::size_t file, bool to_write, DiskFile opened);
  Opened const* find(std::size_t file);
  std::string path(std::size_t file) const { return folder_ + "/" + numbered_file(file); }

  Disk& disk_;
  std::string folder_;
  FileTableLimits limits_;
  std::list<Opened> open_;  // the latest used in front
  std::unordered_map<std::size_t, std::list<Opened>::iterator> by_file_;
  std::set<std::size_t> unsynced_;
  bool names_unsynced_ = true;
};

}  // namespace impound::fetchers
