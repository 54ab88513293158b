#include "fetchers/torrents/worker/deliveries.h"

#include <algorithm>
#include <utility>

namespace impound::fetchers {

namespace {

/// Without padding.
std::uint64_t payload_of(PieceMap const& map, std::size_t piece, std::uint64_t first_block, std::uint64_t blocks) {
  std::uint64_t bytes = 0;
  for (auto const& span : map.spans(piece, first_block * block_bytes, blocks * block_bytes))
    bytes += span.pad ? 0 : span.size;
  return bytes;
}

}  // namespace

RecordAddress record_address(Sender const& sender) { return {sender.address, sender.port}; }

PieceMap map_of(Metainfo const& torrent) {
  std::vector<StoredFile> files;
  std::uint64_t over = 0;  // of the last file, beyond its last whole piece
  for (TorrentFile const& file : torrent.files) {
    if (!torrent.hashes.v1 && file.size > 0 && over > 0) files.push_back({torrent.piece_length - over, true});
    if (file.size > 0) over = torrent.piece_length == 0 ? 0 : file.size % torrent.piece_length;
    files.push_back({file.size, file.pad});
  }
  return PieceMap{torrent.piece_length, std::move(files)};
}

JournalLimits journal_limits(PieceMap const& map) {
  return {map.pieces(), map.files().size(),
          static_cast<std::size_t>((map.piece_length() + block_bytes - 1) / block_bytes)};
}

DeliveryTable deliveries(PieceMap const& map, JournalContent const& journal, DeliveryLimits limits) {
  std::vector<RecordAddress> senders;
  senders.reserve(journal.senders.size());
  for (Sender const& sender : journal.senders) senders.push_back(record_address(sender));
  DeliveryTable table{std::move(senders), limits};
  for (std::size_t piece = 0; piece < map.pieces(); ++piece) {
    std::uint64_t const blocks = (map.piece_size(piece) + block_bytes - 1) / block_bytes;
    std::uint64_t at = 0;
    bool const there = journal.pieces.contains(piece);
    if (auto const sent = journal.sent.find(piece); there && sent != journal.sent.end()) {
      for (SenderRun const& run : sent->second) {
        std::uint64_t const count = std::min<std::uint64_t>(run.blocks, blocks - at);
        table.add(run.sender == sender_unknown ? DeliveryTable::nobody : run.sender, count,
                  payload_of(map, piece, at, count));
        at += count;
      }
    }
    table.add(there ? DeliveryTable::nobody : DeliveryTable::nothing, blocks - at,
              payload_of(map, piece, at, blocks - at));
  }
  return table;
}

}  // namespace impound::fetchers
