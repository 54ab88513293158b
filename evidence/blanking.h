// Blanks entries of a published log: in its bundle an entry becomes a record of no bytes, the level 0 tile keeps its
// hash, so the tree, the checkpoint and every proof stay what they were. Only the erasure of evidence does this
// (evidence/erasure.h): an entry that orders it is under a signed checkpoint before.
//
// A bundle is written anew (draft, sync, rename, folder synced): a crash leaves the old or the new one. The vault's
// holder only, with nothing unpublished before these entries.
#pragma once

#include <cstdint>
#include <map>

#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// `leaves`: the entries' indexes, all below `log_size`, each with the hash its leaf must have: another one in the tile
/// is Code::damaged, and nothing of that bundle is changed. Blank ones stay. Gives the number that were not blank.
Result<std::size_t> blank_entries(Disk& vault, std::uint64_t log_size, std::map<std::uint64_t, LeafHash> const& leaves);

}  // namespace impound::evidence
