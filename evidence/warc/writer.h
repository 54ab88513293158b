// Writes captures to warc/<utc>-<n>.warc.gz: WARC 1.1, one gzip member a record, durable when write() returns.
//
// A file begins with a warcinfo record, written with its first capture and returned as the first of that capture's
// records, so that every byte of every file belongs to a record an entry names. A file that is still open (mode 0600)
// and below 256 MiB is taken on by the next start; call set_aside_unlogged() first, so that its end is what the log
// says. A write that fails is cut off again; a sync that fails is final: every later write is refused (bytes may be
// lost, and the kernel tells only once). One thread, the agent's writer. Source: ISO 28500:2017; digests as
// sha256:<hex>, the block's over the whole block.
//
// Gap: a file is never closed: the next one is begun at 256 MiB, but 0400, `warc.closed` and the 24 h bound are still
// missing.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evidence/system/clock.h"
#include "evidence/system/disk.h"
#include "evidence/system/randomness.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

inline constexpr std::uint64_t warc_file_bytes_max = 256ull << 20;  // no new capture goes into a file of this size

class WarcWriter {
 public:
  /// `software`: for warcinfo, e.g. "impound/0.1.0".
  static Result<std::unique_ptr<WarcWriter>> open(Disk& vault, Clock& clock, Randomness& randomness,
                                                  std::string software);

  /// One capture: all its records, or an error. A header that would break the format is Code::refused.
  Result<std::vector<WrittenRecord>> write(std::span<WarcRecord const> capture);

 private:
  WarcWriter(Disk& vault, Clock& clock, Randomness& randomness, std::string software)
      : vault_(vault), clock_(clock), randomness_(randomness), software_(std::move(software)) {}
  Result<void> take_on_open_file();
  Result<void> begin_file();
  WarcRecord warcinfo(std::int64_t date_us);
  Result<WrittenRecord> append(WarcRecord const& record, std::uint64_t offset);

  Disk& vault_;
  Clock& clock_;
  Randomness& randomness_;
  std::string software_;
  DiskFile file_;
  std::string path_;
  std::uint64_t size_ = 0;
  bool new_file_ = false;  // its name in warc/ is not synced yet
  std::optional<Error> poisoned_;
};

}  // namespace impound::evidence
