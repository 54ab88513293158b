// Which pieces a torrent's web seeds are asked for: each wanted piece of one of them at a time, never from a server
// that lacks one of its files.
//
// Nobody else gives anything: from the torrent's beginning, so that files become whole in their order. Peers give, too:
// from its end, since they go from the beginning, and both meet. A run is as long as `bytes` says; from a server that
// knows no ranges to the end of the file in which it begins, or each run would cost all that is before it.
//
// Pure, no clock; one thread. Pieces and files are those of the torrent, padding included: what is asked for is told in
// Metainfo's numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/worker/disk/piece_map.h"

namespace impound::fetchers {

/// The torrent's files end to end, in a torrent that is v2 alone with the padding that is not in its list (BEP 52).
struct TorrentStream {
  explicit TorrentStream(Metainfo const& torrent);
  std::vector<std::optional<std::size_t>> file;  // of each file of the map, its number in Metainfo; none: made up
  PieceMap map;
};

/// Pieces first to last.
struct PieceRun {
  std::size_t first = 0;
  std::size_t last = 0;
};

/// A run of bytes of one file, or of zeros.
struct WebPart {
  std::optional<std::size_t> file;  // in Metainfo.files; none: zeros
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

class PiecePlan {
 public:
  /// `wanted`: of each of Metainfo.files. `seeds`: how many there are.
  PiecePlan(Metainfo const& torrent, std::vector<bool> const& wanted, std::size_t seeds);

  TorrentStream const& stream() const { return stream_; }
  bool has(std::size_t piece) const { return piece >= has_.size() || has_[piece]; }
  /// From whomever.
  void passed(std::size_t piece);

  /// The next for this seed, which has it until it passes or is given back.
  std::optional<PieceRun> next(std::size_t seed, bool from_the_end, std::uint64_t bytes);
  void give_back(PieceRun run);
  /// Whether it could ever give something that is missing; what was put off counts.
  bool has_use(std::size_t seed) const { return seeds_[seed].useful + seeds_[seed].put_off > 0; }
  /// Something wanted is missing.
  bool is_open() const { return missing_ > 0; }
  std::uint64_t missing_bytes() const { return missing_ * stream_.map.piece_length(); }  // or a little less

  // What was learnt of a seed.
  /// It did not hash. True for the second time: it is not asked of this seed again.
  bool failed(std::size_t seed, std::size_t piece);
  void file_gone(std::size_t seed, std::size_t file);
  /// It did not come: everything else is asked for first.
  void put_off(std::size_t seed, std::size_t file);
  /// All that was put off may be asked for again. False when nothing was.
  bool bring_back(std::size_t seed);
  /// It is padding, as its name says, and the server has no such file.
  void file_is_zeros(std::size_t seed, std::size_t file);
  void knows_no_ranges(std::size_t seed) { seeds_[seed].no_ranges = true; }
  bool has_ranges(std::size_t seed) const { return !seeds_[seed].no_ranges; }
  bool is_gone(std::size_t seed, std::size_t file) const { return seeds_[seed].gone.contains(file); }

  /// What is to be asked for a run, in order: one part a file, padding as zeros.
  std::vector<WebPart> parts(std::size_t seed, PieceRun run) const;
  /// Files of Metainfo with bytes in the piece.
  std::vector<std::size_t> files_of(std::size_t piece) const;

 private:
  struct Seed {
    std::set<std::size_t> gone;
    std::set<std::size_t> later;  // put off
    std::set<std::size_t> zeros;
    std::set<std::size_t> failed_once;
    std::vector<bool> lacks{};          // by piece: it can never give it
    std::vector<bool> lacks_for_now{};  // one of its files was put off
    std::size_t useful = 0;             // pieces wanted and missing that it may give
    std::size_t put_off = 0;            // of these, not now
    bool no_ranges = false;
    std::uint64_t found_nothing_at = 0;  // by changes_: looking again is in vain
  };
  bool is_missing(std::size_t piece) const { return wanted_[piece] && !has_[piece]; }
  bool is_free(Seed const& seed, std::size_t piece) const {
    return is_missing(piece) && !taken_[piece] && !seed.lacks[piece] && !seed.lacks_for_now[piece];
  }
  static void count(Seed& seed, std::size_t piece, int by);
  void lose(Seed& seed, std::size_t piece);
  template <class Each>
  void each_piece(std::size_t file, Each each) const;
  std::size_t last_of_file(std::size_t piece) const;

  TorrentStream stream_;
  std::vector<bool> wanted_, has_, taken_;  // by piece
  std::size_t missing_ = 0;                 // wanted, and not there
  std::size_t first_missing_ = 0;           // none before it is
  std::vector<Seed> seeds_;
  std::vector<std::size_t> in_stream_;  // of each of Metainfo.files, its number in the map
  std::uint64_t changes_ = 1;           // that let something be asked for again
};

}  // namespace impound::fetchers
