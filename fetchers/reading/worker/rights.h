// What the reader worker may do: read the descriptors it is handed. No file, no folder, no network.
#pragma once

#include "evidence/system/sandbox.h"

namespace impound::fetchers {

/// To be called in the worker: it looks whether the agent is another user.
SandboxRights reader_rights();

}  // namespace impound::fetchers
