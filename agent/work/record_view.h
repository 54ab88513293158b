// A sealed swarm record, printed: for people whom it was got from, or item by item for scripts.
//
// Main thread; reads the vault, changes nothing.
#pragma once

#include <optional>

#include "agent/work/reading.h"
#include "evidence/values/digest.h"
#include "evidence/values/entry_id.h"

namespace impound::agent {

/// Prints the record that the exhibit of this id, or this object, is; with `json` an item a line. False when it is
/// none, or was erased.
Result<bool> show_record(std::optional<EntryId> const& id, std::optional<Sha256> const& object, VaultReading& reading,
                         bool json);

}  // namespace impound::agent
