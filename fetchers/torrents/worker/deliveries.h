// From the download's journal to the table of who sent which block.
//
// Any thread; values only.
#pragma once

#include <cstddef>
#include <vector>

#include "fetchers/torrents/delivery_table.h"
#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/worker/disk/download_journal.h"
#include "fetchers/torrents/worker/disk/piece_map.h"

namespace impound::fetchers {

RecordAddress record_address(Sender const& sender);

/// As libtorrent lays the torrent out: in one of v2 alone each file begins with a piece.
PieceMap map_of(Metainfo const& torrent);

JournalLimits journal_limits(PieceMap const& map);

/// Of a piece that the journal does not have nothing is known to be there; of one that it has without its senders, or
/// of blocks that nobody sent (padding), nobody is known.
DeliveryTable deliveries(PieceMap const& map, JournalContent const& journal, DeliveryLimits limits);

}  // namespace impound::fetchers
