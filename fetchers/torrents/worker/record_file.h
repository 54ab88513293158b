// A job's swarm record on the disk: "<job folder>/record", items appended as things happen.
//
// Items wait in memory until write(). What a worker that died left behind half is cut off, and the table that
// an earlier one ended with, too: the record goes on behind the last whole item before those. So many of each kind are
// told in detail; what is beyond is counted, and the counts are in the record: whenever they have doubled, and at its
// end. A write that fails is tried again with the next; the record fails no job. Nothing is synced: after a power cut
// it ends where the disk had it.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "evidence/system/disk.h"
#include "fetchers/torrents/swarm_record.h"

namespace impound::fetchers {

/// Of one record, told in detail.
struct RecordLimits {
  std::size_t peers = 10'000;
  std::size_t trackers = 20'000;  // announces and scrapes
  std::size_t searches = 10'000;  // in the DHT
  std::size_t exchanges = 20'000;
  std::size_t certificates = 1'000;
  std::size_t failed_pieces = 10'000;
  std::size_t bytes = 24u << 20;  // of all these; the rest of record_bytes_max is for the table
};

class RecordFile {
 public:
  RecordFile(Disk& disk, std::string const& folder, RecordLimits const& limits)
      : disk_(disk), path_(folder + "/" + std::string{record_file_name}), limits_(limits) {}

  /// Before anything is added: takes up what an earlier worker left. What is no record is begun anew.
  void open();
  /// True: it will be in the record. False: counted.
  bool add(RecordItem const& item);
  /// Adds the certificate unless it is there; nothing where it found no room.
  std::optional<Sha256> certificate(std::string const& der);
  /// The last item.
  void end() { add_whole(left_out_); }
  RecordLeftOut& left_out() { return left_out_; }

  Result<void> write();
  /// Of the record, those that wait to be written with them.
  std::uint64_t bytes() const { return written_ + waiting_.size(); }

 private:
  void count(RecordItem const& item);
  bool has_room(RecordItem const& item);
  bool add_whole(RecordItem const& item);
  void note_left_out();

  Disk& disk_;
  std::string path_;
  RecordLimits limits_;
  DiskFile file_;
  std::uint64_t written_ = 0;
  std::string waiting_;
  RecordLeftOut left_out_;
  std::uint64_t left_out_told_ = 0;
  RecordLeftOut had_room_;               // what was told in detail, by the same names
  std::set<std::uint64_t> connections_;  // since the last head, by their number
  std::set<Sha256> certificates_;
};

}  // namespace impound::fetchers
