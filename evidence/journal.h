// The journal in front of the tiles: entries that are acknowledged and not yet under a signature, in two files used in
// turn.
//
//     journal.0, journal.1:   u64 first index │ u32 generation │ u32 crc32c of both         all little endian
//     then groups:            u64 index of the first entry │ u32 bytes of the body │ u32 crc32c │ body
//     body:                   (u32 length │ entry) …
//
// The crc of a group goes over index, bytes and body, seeded with the crc of the index. One write and one fdatasync a
// group: when that sync has returned, the group's entries are acknowledged. Header and first group are one write.
//
// The files grow and are emptied by truncation. Overwriting zero-filled files is about 1.6 times as fast for single
// durable appends, but leaves old groups behind the header; the growing form keeps "0 bytes at rest" true by itself.
//
// The writer's thread only. After an error (but see intact()) the owner must stop using it: CustodyLog poisons itself.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

inline constexpr std::uint64_t journal_file_bytes_max = 8
                                                        << 20;  // full: publish first; one larger group is taken alone
inline constexpr std::size_t journal_file_entries_max = 4'096;  // bounds the time that one publish takes
inline constexpr std::uint64_t journal_group_bytes_max = 64 << 20;  // what recovery must hold in memory

class Journal {
 public:
  using Each = std::function<Result<void>(std::uint64_t index, std::string_view entry)>;

  /// Opens both files; missing ones are made, durable. What lies in them is looked at by recover() only.
  static Result<Journal> open(Disk& vault);
  static std::string path(unsigned file);

  /// Hands over every whole entry from `first_wanted` on, in order. A torn last group is skipped; a bad group with a
  /// good one behind it, or a gap, is Code::damaged. Returns the index behind the last entry (first_wanted when there
  /// is none).
  Result<std::uint64_t> recover(std::uint64_t first_wanted, Each const& each);
  /// Puts new empty files in the place of those that are not empty. Not a truncation: after a failed sync the old
  /// file's bytes may be in memory only, and what the file promises later must not depend on them.
  Result<void> start_anew();

  /// True when the group fits the active file (or that is empty).
  bool has_room(std::span<std::string const> entries) const;
  /// One group, durable on return.
  Result<void> append(std::uint64_t first, std::span<std::string const> entries);
  /// Appends go to the other file from now on; returns the number of the file to be published, then emptied.
  unsigned turn();
  /// Every entry of one file, checked as recover() does; here a bad group is always Code::damaged.
  Result<void> each(unsigned file, Each const& each);
  Result<void> empty(unsigned file);
  /// After an append that failed: the disk was full before anything was synced, and the file is as it was.
  bool intact() const { return intact_; }
  bool is_empty() const { return used_[0] == 0 && used_[1] == 0; }

 private:
  Journal(Disk& vault) : vault_(&vault) {}

  Disk* vault_;
  std::array<DiskFile, 2> files_;
  std::array<std::uint64_t, 2> used_{};  // bytes of whole groups, header included
  std::array<std::size_t, 2> entries_{};
  unsigned active_ = 0;
  bool intact_ = true;
  std::uint32_t generation_ = 0;
};

}  // namespace impound::evidence
