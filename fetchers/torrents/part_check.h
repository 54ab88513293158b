// Which bytes of a file that never became whole are the torrent's: those in pieces whose hash holds.
//
//     v1, hybrid   SHA-1 of each piece (BEP 3). A piece may reach over several files, whose bytes are asked for as
//     well;
//                  padding is zeros, and a piece of which a byte is missing is not verified.
//     v2 alone     the tree of BEP 52 over each piece, held against the file's piece layer. That is no part of the info
//                  dict: whoever has it hands it over, and it is believed only if it hashes to the `pieces root`.
//
// The torrent's hashes are looked up once, however many files are asked for. At most 256 KiB of a piece are in memory.
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"
#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/piece_range.h"

namespace impound::fetchers {

struct ByteRange {
  std::uint64_t from = 0;
  std::uint64_t to = 0;  // exclusive
  bool operator==(ByteRange const&) const = default;
};

/// Fills the span from a file's byte `at`; how many bytes there were, 0 for a file that is not there.
using ReadFile = std::function<std::size_t(std::size_t file, std::uint64_t at, std::span<std::byte> into)>;

class PartCheck {
 public:
  /// `torrent` must outlive it. Code::malformed for a torrent whose piece hashes cannot be read.
  static Result<PartCheck> of(Metainfo const& torrent);

  /// In the file's order, none touching the next. `layer`: the hashes of the file's pieces, of use in v2 alone; none
  /// are verified without it, or with one that is not the file's.
  std::vector<ByteRange> verified(std::size_t file, ReadFile const& read, std::span<Sha256 const> layer = {}) const;
  /// How many hashes the layer has that verified() needs of this file; 0 where it needs none.
  std::uint64_t layer_size(std::size_t file) const;

 private:
  explicit PartCheck(Metainfo const& torrent);
  std::vector<ByteRange> verified_by_pieces(std::size_t file, PieceRange pieces, ReadFile const& read) const;
  std::vector<ByteRange> verified_by_layer(std::size_t file, ReadFile const& read, std::span<Sha256 const> layer) const;
  bool hash_stream(std::uint64_t from, std::uint64_t to, ReadFile const& read, Sha1& hash) const;

  Metainfo const* torrent_;
  std::string piece_hashes_;           // v1
  std::vector<std::uint64_t> begins_;  // of each file, in the stream that BEP 3 cuts into pieces; then its end
  std::vector<std::optional<PieceRange>> pieces_;
};

}  // namespace impound::fetchers
