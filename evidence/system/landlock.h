// Landlock: which files this thread, and what it starts, may still open. Part of evidence/system/sandbox.h; nobody else
// needs it.
//
// Linux knows it in ABIs: 1 (5.13), 2 (5.19: moves between folders), 3 (6.2: truncate), 4 (6.7: TCP ports), 5 (6.10:
// device ioctls), 6 (6.12: signals and abstract sockets), 7 (6.15: audit). A right that a ruleset does not handle is a
// right granted, so everything the ABI knows is handled. Debian 12's headers stop at ABI 2: the rest stands here by
// value, from the kernel's include/uapi/linux/landlock.h.
#pragma once

#include "evidence/system/sandbox.h"

namespace impound {

/// Takes all rights on files but those in `rights`, as `abi` (1 and up) has them. no_new_privs must be set.
Result<void> enter_landlock(SandboxRights const& rights, int abi);

}  // namespace impound
