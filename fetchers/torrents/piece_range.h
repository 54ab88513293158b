// Which pieces hold a file's bytes: what an exhibit says of its place in the torrent. Pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fetchers/torrents/metainfo.h"

namespace impound::fetchers {

struct PieceRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool operator==(PieceRange const&) const = default;
};

/// One for each file of the torrent, in its order; an empty file is in no piece. BEP 3 lays the files end to end,
/// padding included; in a torrent that is v2 alone (BEP 52) every file begins at a piece of its own.
std::vector<std::optional<PieceRange>> piece_ranges(Metainfo const& torrent);

}  // namespace impound::fetchers
