// The `piece layers` of a v2 .torrent (BEP 52): for each file longer than a piece, the hashes of its pieces, which must
// hash to the file's `pieces root`. A layer may be missing (peers hand it over later); one that is there must be right.
//
// Any thread; no state.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"
#include "fetchers/torrents/bencode.h"

namespace impound::fetchers {

/// `pieces root` of each file longer than a piece → how many pieces it has.
using PieceRoots = std::map<Sha256, std::uint64_t>;

/// The hashes of the pieces of the file with this root.
bool is_piece_layer(std::span<Sha256 const> layer, Sha256 const& root, std::uint64_t piece_length);

Result<void> check_piece_layers(BencodeValue const& layers, PieceRoots const& roots, std::uint64_t piece_length);

}  // namespace impound::fetchers
