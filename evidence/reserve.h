// The reserve: zeros in the vault that are given back when the disk is full, so that open results can still be written.
//
// min(16 MiB, a sixteenth of the file system's free space); an absent reserve is no problem, it is made again when
// there is room. Nothing in it is evidence, and `verify` skips it. Called by the agent's main thread.
#pragma once

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// Makes VAULT/reserve when it is absent and there is room. Too little room is no error.
Result<void> make_reserve(Disk& vault);

/// Gives the reserve's bytes back to the file system.
void release_reserve(Disk& vault);

}  // namespace impound::evidence
