#include "fetchers/torrents/piece_range.h"

#include <doctest/doctest.h>

using namespace impound;
using namespace impound::fetchers;

namespace {

Metainfo torrent(bool v1, std::vector<std::uint64_t> const& sizes) {
  Metainfo torrent;
  if (v1) torrent.hashes.v1 = InfoHashV1{};
  torrent.hashes.v2 = InfoHashV2{};
  torrent.piece_length = 100;
  for (std::uint64_t const size : sizes) {
    TorrentFile file;
    file.size = size;
    torrent.files.push_back(file);
  }
  return torrent;
}

using Ranges = std::vector<std::optional<PieceRange>>;

}  // namespace

TEST_CASE("files of v1 lie end to end, those of v2 alone each begin a piece") {
  CHECK(piece_ranges(torrent(true, {250, 50, 0, 1, 100})) ==
        Ranges{PieceRange{0, 2}, PieceRange{2, 2}, std::nullopt, PieceRange{3, 3}, PieceRange{3, 4}});
  CHECK(piece_ranges(torrent(false, {250, 50, 0, 1, 100})) ==
        Ranges{PieceRange{0, 2}, PieceRange{3, 3}, std::nullopt, PieceRange{4, 4}, PieceRange{5, 5}});
  CHECK(piece_ranges(Metainfo{}).empty());
}
