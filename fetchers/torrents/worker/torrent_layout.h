// libtorrent's list of files as the disk back end takes it.
//
// Any thread; values only.
#pragma once

#include <cstdint>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/storage_defs.hpp>

#include "evidence/values/digest.h"
#include "fetchers/torrents/worker/disk/piece_map.h"

namespace impound::fetchers {

/// Not more files than that (pad files aside).
bool acceptable(lt::file_storage const& files, std::uint64_t files_max);
PieceMap map_of(lt::file_storage const& files);
/// Of the layout and the info-hash: another torrent's journal is never taken for this one's.
Sha256 identity_of(lt::storage_params const& params);

}  // namespace impound::fetchers
