// What the swarm worker may do: its staging folder, the network, and what it takes to look up a tracker's name and to
// judge an https tracker's certificate. Nothing of the vault, the key, or the person's home.
#pragma once

#include "evidence/system/sandbox.h"

namespace impound::fetchers {

/// `staging_folder`: an open folder, borrowed. To be called in the worker: it looks whether the agent is another user.
SandboxRights swarm_worker_rights(int staging_folder);

}  // namespace impound::fetchers
