// Holds payload against the torrent's own hashes, and takes each file's SHA-256 on the way: the agent's own look at
// what a worker says it has downloaded and checked.
//
//     v2, hybrid   a file's blocks of 16 KiB → SHA-256 → tree of BEP 52 → `pieces root`; each file by itself
//     v1 alone     SHA-1 of each piece (BEP 3); a piece is judged when all of its bytes are there, and a wrong one
//     makes
//                  every file wrong that has bytes in it
//
// The caller goes through the torrent's files in their order, each once: begin_file() and its bytes, or skip_file()
// when it is not there. Padding is no business of the caller's: skip_file() as well, it is taken as zeros. Files may
// come one by one while the rest still downloads: judged() says of how many the verdict is final. Nothing grows with
// payload; about 60 bytes a file. One thread; no errors but those of a torrent that cannot be read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/values/result.h"
#include "fetchers/torrents/metainfo.h"

namespace impound::fetchers {

/// What a file is worth, once finish() was called.
struct CheckedFile {
  bool there = false;                  // as many bytes as the torrent says came
  bool wrong = false;                  // a hash over bytes of it does not hold
  std::uint64_t pieces_unchecked = 0;  // v1: pieces that it shares with a file that is not there
  Sha256 sha256;                       // of the bytes that came
};

/// The root of BEP 52 over a file's blocks: leaves behind the end are zero, up to the next power of two.
class PiecesRoot {
 public:
  void add(Bytes bytes);
  /// Of at least one byte. Starts again afterwards. Of a piece: the node of the file's tree over `covers` bytes, of
  /// which those that never came are behind the end of the file.
  Sha256 finish(std::uint64_t covers = 0);

 private:
  void add_leaf();

  Sha256Stream block_;
  std::uint64_t in_block_ = 0;
  std::uint64_t leaves_ = 0;
  std::vector<Sha256> whole_;  // one complete tree for each set bit of leaves_, smallest last
};

class PayloadCheck {
 public:
  /// `torrent` must outlive it.
  static Result<PayloadCheck> of(Metainfo const& torrent);

  void begin_file();
  void add(Bytes block);
  /// So many bytes of the file are known already, and nobody asks for its verdict: pieces in them are not judged.
  void leap(std::uint64_t bytes);
  void end_file();
  void skip_file();
  /// The file that is due: all before it came or were skipped.
  std::size_t due() const { return file_; }
  /// The files before this one have their verdict.
  std::size_t judged() const { return by_pieces() && in_piece_ > 0 ? std::min(first_in_piece_, file_) : file_; }
  std::vector<CheckedFile> const& files() const { return files_; }
  /// One for each file of the torrent.
  std::vector<CheckedFile> const& finish();

 private:
  explicit PayloadCheck(Metainfo const& torrent);
  bool by_pieces() const { return !torrent_->hashes.v2; }
  void skip_bytes(std::uint64_t count, bool zero);
  void take(Bytes block);
  void end_piece();

  Metainfo const* torrent_;
  std::string piece_hashes_;  // v1
  std::vector<CheckedFile> files_;
  std::size_t file_ = 0;       // the one that is due
  std::uint64_t in_file_ = 0;  // bytes that came of it
  Sha256Stream sha256_;
  PiecesRoot root_;
  Sha1Stream piece_;
  std::uint64_t piece_number_ = 0;
  std::uint64_t in_piece_ = 0;
  bool piece_known_ = true;         // all of its bytes so far
  std::size_t first_in_piece_ = 0;  // files from here on may have bytes in it
  std::uint64_t zeros_left_;        // padding that is worth hashing: a hostile torrent may name any amount
};

}  // namespace impound::fetchers
