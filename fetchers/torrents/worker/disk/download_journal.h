// What of a torrent is on the medium, across the death of the worker or the machine: "<folder>/journal".
//
//     header   "IMPOUND-DL-1" ‖ 32 bytes of identity ‖ u32 crc32c                     all little endian
//     record   u32 bytes of the body ‖ u32 crc32c of that and the body ‖ body
//     body     1 ‖ u32 piece                                    a piece was begun: bytes of it may lie on the disk
//              2 ‖ u32 piece ‖ u8 has SHA-1 [‖ 20] ‖ 32 …       its hashes; the data was synced before this record
//              3 ‖ u32 file ‖ u64 next ‖ 112 bytes              how far the file's SHA-256 is: OpenSSL's own state
//              4 ‖ u32 file ‖ 32                                the whole file's SHA-256
//              5 ‖ u32 number ‖ 16 ‖ u16 port                   a sender, by its IPv6 or mapped IPv4 address
//              6 ‖ u32 piece ‖ (u16 number ‖ u16 blocks) …      who sent its blocks, in their order; 65535: not known
//
// Records of kind 2 to 4 come in batches, written and synced only after a sync of the data they speak of (batch.h). A
// later record wins over an earlier; kind 1 takes back kinds 2 and 6. Reading stops at the first record that is torn,
// and the tail is cut off. Kind 1 is not synced: it is for a worker that died, not for a power cut, after which such a
// piece is fetched again; nor are 5 and 6, which come when their piece has passed: they hold for it alone. A journal
// that is not believed is begun anew before anything is written: its records must not come to speak of files that were
// made later.
//
// Trusted by nobody: it holds hashes, no promise. libtorrent holds the hashes against the torrent, and the agent reads
// every file before it is sealed.
//
// Of the two threads that use it, the one that writes payload makes records and writes kind 1; the one that waits for
// the disk appends batches.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "fetchers/torrents/worker/disk/file_frontier.h"
#include "fetchers/torrents/worker/disk/piece_hashing.h"
#include "fetchers/torrents/worker/disk/senders.h"

namespace impound::fetchers {

/// What an earlier worker left.
struct JournalContent {
  std::map<std::size_t, PieceHashes> pieces;
  std::set<std::size_t> begun;  // without a record of its hashes
  std::map<std::size_t, FrontierState> frontiers;
  std::map<std::size_t, Sha256> digests;
  std::vector<Sender> senders;  // by number
  std::map<std::size_t, std::vector<SenderRun>> sent;
};

/// Pieces, files and blocks a piece that a record may name.
struct JournalLimits {
  std::size_t pieces = 0;
  std::size_t files = 0;
  std::size_t blocks = 0;
};

/// A batch that failed.
struct DiskFailure {
  Error error;
  /// A sync of payload failed: its pages may be lost though they can be read still, and no later sync of anybody tells.
  /// Else only the records about it were not written.
  bool payload_unsure = true;
};

class DownloadJournal {
 public:
  /// The journal in `folder`; a new one is made with its first record. `content`: nothing when there was none, or one
  /// of another torrent or form.
  static Result<std::shared_ptr<DownloadJournal>> open(Disk& disk, std::string const& folder, Sha256 const& identity,
                                                       JournalLimits limits, std::optional<JournalContent>& content);
  /// What the journal in `folder` says, of whichever torrent; nothing where there is none. Nothing is changed.
  static Result<std::optional<JournalContent>> read(Disk& disk, std::string const& folder, JournalLimits limits);
  DownloadJournal(Disk& disk, std::string path, std::string header)
      : disk_(disk), path_(std::move(path)), header_(std::move(header)) {}

  /// All records are gone, durably.
  Result<void> begin_anew();
  /// Any thread; not synced.
  Result<void> begun(std::size_t piece);
  /// Any thread; records that speak of no data of their own, not synced.
  Result<void> note(std::string const& records) { return write(records); }
  /// Any thread; records of one batch, durable on return. The data they speak of must be.
  Result<void> append(std::string const& records);

  /// Any thread: a batch failed with this, and none is carried out after it.
  void fail(DiskFailure const& failure);
  std::optional<DiskFailure> failure() const;

 private:
  Result<void> write(std::string const& records);

  Disk& disk_;
  std::string path_;
  std::string header_;
  mutable std::mutex mutex_;
  DiskFile file_;
  std::uint64_t end_ = 0;
  std::optional<DiskFailure> failed_;
};

// Records for a batch.
std::string hashed_record(std::size_t piece, PieceHashes const& hashes);
std::string reached_record(std::size_t file, FrontierState const& state);
std::string finished_record(std::size_t file, Sha256 const& digest);
std::string sender_record(std::uint16_t number, Sender const& sender);
std::string sent_record(std::size_t piece, std::vector<SenderRun> const& runs);

}  // namespace impound::fetchers
