// One torrent's bytes on the disk: each block written and hashed as it comes, nothing read again in the ordinary case,
// and a journal of what is on the medium.
//
//     write(block) ─┬─> files                                  every batch (64 MiB, or the owner's clock), on a
//                   ├─> PieceHashing ──in order──> FileFrontier  thread that may wait (batch.h):
//                   └─> journal: the piece is begun                  files synced ─> journal written and synced
//     hash(piece) ──> libtorrent judges ──> passed(piece) or failed(piece)
//
// After a restart hash() answers from the journal for pieces it has, reads those that were begun after the last batch,
// and says that the others are not there without looking. Without a journal every piece is read.
//
// A piece that passed is never written to again: a block that still comes for it is dropped, so that no record of it,
// in the journal or on its way there, can come to speak of other bytes.
//
// An error of the disk while a batch is carried out is final: every later write is refused with it, so that nothing
// more is acknowledged. Unwanted pieces are not kept apart: staged files bear numbers and no file is told before it is
// whole.
//
// A file's SHA-256 falls behind where pieces come before those ahead of them. It catches up by reading, a part at a
// time so that nobody waits for long: whoever owns this calls catch_up() while behind() is true.
//
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fetchers/torrents/worker/disk/batch.h"
#include "fetchers/torrents/worker/disk/download_journal.h"
#include "fetchers/torrents/worker/disk/file_table.h"
#include "fetchers/torrents/worker/disk/piece_map.h"

namespace impound::fetchers {

struct DiskCounters {
  std::uint64_t blocks = 0;
  std::uint64_t pieces_read_back = 0;  // blocks came twice, or out of order beyond the budget
  std::uint64_t pieces_rechecked = 0;  // after a restart
  std::uint64_t pieces_from_journal = 0;
  std::uint64_t bytes_caught_up = 0;  // read by a file's SHA-256, of pieces that came before those ahead of them
  std::uint64_t batches = 0;
  std::uint64_t reads_refused = 0;  // asked for a peer
};

struct HashWanted {
  bool v1 = false;
  std::size_t blocks = 0;  // of v2
};

struct KeptLimits {
  FileTableLimits files;
  std::uint64_t catch_up_bytes = 8u << 20;  // read at a time
  // The hash of a piece that is not there. A torrent may name any hash as its piece's, also one of zeros: where
  // torrents come from strangers, this is random.
  Sha256 absent{};
};

class KeptTorrent {
 public:
  /// `identity`: of the torrent, so that the journal of another one is not taken up.
  KeptTorrent(Disk& disk, std::string folder, PieceMap map, bool has_v2, Sha256 const& identity, DiskCounters& counters,
              KeptLimits const& limits = {});

  /// Before open(): files that were taken away whole, by their number among those that are no padding. The journal
  /// speaks of their pieces still, and nothing is asked of their bytes.
  void files_left(std::vector<bool> const& left);
  /// Of each file of the map, missing ones are wanted: of one that is not, no more comes than what shares a piece with
  /// others, and no room is taken for the rest.
  void choose(std::vector<bool> const& wanted);

  enum class Journal { believed, begun_anew };
  /// Takes up what an earlier worker left. True: there is something, and hash() shall be asked for every piece; with
  /// the journal begun anew it reads them all.
  Result<bool> open(Journal journal = Journal::believed);
  /// `sender`: of the block, where it is known.
  Result<void> write(std::size_t piece, std::uint64_t start, Bytes bytes, std::optional<Sender> const& sender = {});
  /// KeptLimits::absent for what is not there.
  Result<PieceHashes> hash(std::size_t piece, HashWanted wanted);
  Result<Sha256> hash_block(std::size_t piece, std::uint64_t start);
  void passed(std::size_t piece);
  /// Who had sent its blocks.
  std::vector<LostRun> failed(std::size_t piece);
  bool behind() const { return !behind_.empty() && !broken_; }
  void catch_up();
  std::optional<Error> const& broken() const { return broken_; }
  /// Payload written, or taken over unsynced, since the last batch.
  std::uint64_t bytes_pending() const { return broken_ ? 0 : pending_; }
  /// Everything since the last batch, to be carried out after all before it; nothing when there is nothing to do.
  std::optional<Batch> take_batch();
  /// `finished`: the batch's.
  void batch_ended(Result<void> const& done, std::vector<std::size_t> const& finished);
  bool writes_into(DownloadJournal const& journal) const { return journal_.get() == &journal; }
  /// A batch at once, on this thread.
  Result<void> commit();
  void close_files() { files_.close_all(); }
  /// A whole file's: it is somebody else's from here on, and may be gone.
  void let_go(std::size_t file) { files_.let_go(file); }
  /// A file's SHA-256 as its bytes arrived, once it is whole.
  std::optional<Sha256> digest(std::size_t file) { return frontiers_[file].digest(map_.files()[file].size); }
  /// The same, once its bytes and the journal's word of it are on the medium: whoever takes the file over opens it
  /// anew, and is told by nobody of a sync that failed before.
  std::optional<Sha256> durable_digest(std::size_t file) { return durable_[file] ? digest(file) : std::nullopt; }
  /// A file became whole since the last batch.
  bool whole_waits() const { return !broken_ && !whole_.empty(); }
  /// So many bytes of it, from its beginning, passed.
  std::uint64_t reached(std::size_t file) const { return frontiers_[file].passed().next; }
  PieceMap const& map() const { return map_; }

 private:
  Result<bool> is_there(JournalContent const& content);
  void take_up(JournalContent content);
  void count_unsynced(std::size_t piece);
  void read_from_the_medium(std::size_t piece);
  void note_senders_of(std::size_t piece);
  void note_sender(std::size_t piece, std::uint64_t start, std::optional<Sender> const& sender);
  Result<void> write_spans(std::size_t piece, std::uint64_t start, Bytes bytes);
  Result<void> read_piece(std::size_t piece, std::uint64_t start, std::span<std::byte> into);
  Result<PieceHashes> read_hashes(std::size_t piece, HashWanted wanted);
  void try_frontiers(std::size_t piece, std::uint64_t start, Bytes bytes);
  void fill_pads(std::size_t piece, PieceHashing& hashing);
  Result<void> catch_up(std::size_t file, std::uint64_t& left);
  PieceHashing& hashing_of(std::size_t piece);

  Disk& disk_;
  std::string folder_;
  PieceMap map_;
  bool has_v2_;
  bool has_v1_ = true;  // until libtorrent asks for hashes without it
  Sha256 identity_;
  DiskCounters& counters_;
  FileTable files_;
  std::shared_ptr<DownloadJournal> journal_;
  HeldBudget held_;
  std::vector<FileFrontier> frontiers_;
  std::vector<bool> passed_;
  std::vector<bool> digest_journaled_;
  std::vector<bool> durable_;         // by file: its digest
  std::vector<std::uint64_t> shown_;  // by file: how far the journal has it
  std::vector<bool> left_;
  std::vector<bool> unwanted_;
  std::vector<bool> left_in_cache_;  // by an earlier process, perhaps
  std::map<std::size_t, std::unique_ptr<PieceHashing>> live_;
  Senders senders_;
  std::map<std::size_t, PieceHashes> hashed_;  // not judged yet
  std::map<std::size_t, PieceHashes> before_;  // from the journal, not asked for yet
  std::set<std::size_t> begun_before_;
  bool knows_what_is_there_ = false;
  KeptLimits limits_;
  std::set<std::size_t> behind_;   // files whose SHA-256 may go on from what is there
  std::set<std::size_t> touched_;  // files that moved since the last batch
  std::set<std::size_t> whole_;    // of these, whole
  std::string records_;            // of the journal, for the next batch
  std::string new_senders_;        // of the journal, for the next piece that passes
  bool notes_ = true;              // the journal takes them
  std::uint64_t pending_ = 0;
  std::optional<Error> broken_;
};

}  // namespace impound::fetchers
