// Writes captures to warc/<utc>-<n>.warc.gz: WARC 1.1, one gzip member a record.
//
//     pack() in any thread → append(), append() … → sync() → the entries that name them → all_named()
//
// What append() has placed is durable when the next sync() has returned, and only then may an entry name it: many
// captures share one sync. write() is all of it for one capture. all_named() says that every capture placed so far has
// its durable capture.result; before that nothing is closed, so that a closed file never holds what no entry names.
//
// A file begins with a warcinfo record, written with its first capture and returned as the first of that capture's
// records, so that every byte of every file belongs to a record an entry names. A file that is still open and not due
// is taken on by the next start; call settle_unlogged() and close_left_files() first, so that its end is what the log
// says. A file is due at 256 MiB, or 24 h after it was begun; it is closed when close_if_due() is asked and all is
// named: its SHA-256 was worked out while it was written, so that nothing is read again (but of one that was taken on).
//
// A write that fails is cut off again; a sync that fails is final: every later call is refused (bytes may be lost, and
// the kernel tells only once). One thread, the agent's writer. Source: ISO 28500:2017.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/system/clock.h"
#include "evidence/system/disk.h"
#include "evidence/system/randomness.h"
#include "evidence/warc/closing.h"
#include "evidence/warc/packing.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

/// What each file says of itself in its warcinfo; empty fields are left out. A line end in one becomes a space.
struct WarcOrigin {
  std::string software;  // "impound/0.1.0 (https://…)"
  std::string operator_name{};
  std::string hostname{};
  std::string is_part_of{};  // the log's origin
};

class WarcWriter {
 public:
  static Result<std::unique_ptr<WarcWriter>> open(Disk& vault, Clock& clock, Randomness& randomness, WarcOrigin origin,
                                                  LoggedWarcs const& logged);

  /// One capture behind the others, or an error and no byte of it. Where its records lie, in their order, behind those
  /// that this file needed first.
  Result<std::vector<WrittenRecord>> append(PackedCapture const& capture);
  /// All that was appended is durable.
  Result<void> sync();
  /// One capture, durable when it returns. Records without an id get one.
  Result<std::vector<WrittenRecord>> write(std::span<WarcRecord const> capture);
  /// Durable entries name everything that was appended.
  void all_named() { named_ = size_; }
  /// The file that is open, closed if it is due: what its warc.closed, which the caller records at once, is to say.
  Result<std::optional<ClosedWarc>> close_if_due();

 private:
  WarcWriter(Disk& vault, Clock& clock, Randomness& randomness, WarcOrigin origin)
      : vault_(vault), clock_(clock), randomness_(randomness), origin_(std::move(origin)) {}
  Result<void> take_on_open_file(LoggedWarcs const& logged);
  Result<void> begin_file();
  WarcRecord warcinfo(std::int64_t date_us);
  Result<PackedCapture> needed_first(PackedCapture const& capture);
  Result<Sha256> digest_of_file();

  Disk& vault_;
  Clock& clock_;
  Randomness& randomness_;
  WarcOrigin origin_;
  DiskFile file_;
  std::string path_;
  std::int64_t begun_us_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t synced_ = 0;
  std::uint64_t named_ = 0;
  std::uint64_t records_ = 0;
  std::optional<Sha256Stream> digest_;  // of a file that this writer has begun
  std::set<std::string> once_;          // target URIs of what the file has once
  bool new_file_ = false;               // its name in warc/ is not synced yet
  std::optional<Error> poisoned_;
};

}  // namespace impound::evidence
