// Which bytes of a file that never became whole are the torrent's: those in pieces whose SHA-1 (BEP 3) holds.
//
// A piece may reach over several files, so their bytes are asked for, too; padding is zeros, and a piece of which a
// byte is missing is not verified. In a torrent that is v2 alone (BEP 52) the hashes of pieces are no part of the info
// dict: nothing of a part can be verified by that. At most one piece is read into memory in parts; nothing grows with
// payload. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/torrents/metainfo.h"

namespace impound::fetchers {

struct ByteRange {
  std::uint64_t from = 0;
  std::uint64_t to = 0;  // exclusive
  bool operator==(ByteRange const&) const = default;
};

/// Fills the span from a file's byte `at`; how many bytes there were, 0 for a file that is not there.
using ReadFile = std::function<std::size_t(std::size_t file, std::uint64_t at, std::span<std::byte> into)>;

/// In the file's order, none touching the next. Code::malformed for a torrent whose piece hashes cannot be read.
Result<std::vector<ByteRange>> verified_ranges(Metainfo const& torrent, std::size_t file, ReadFile const& read);

}  // namespace impound::fetchers
