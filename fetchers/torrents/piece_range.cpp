#include "fetchers/torrents/piece_range.h"

namespace impound::fetchers {

std::vector<std::optional<PieceRange>> piece_ranges(Metainfo const& torrent) {
  std::vector<std::optional<PieceRange>> ranges;
  std::uint64_t at = 0;
  for (TorrentFile const& file : torrent.files) {
    std::uint64_t const end = at + file.size;  // bounded by the parser
    if (file.size == 0 || torrent.piece_length == 0)
      ranges.emplace_back();
    else
      ranges.push_back(PieceRange{at / torrent.piece_length, (end - 1) / torrent.piece_length});
    at = end;
    if (!torrent.hashes.v1 && torrent.piece_length > 0)
      at = (end + torrent.piece_length - 1) / torrent.piece_length * torrent.piece_length;
  }
  return ranges;
}

}  // namespace impound::fetchers
