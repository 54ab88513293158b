// seccomp: which system calls this process may still make. Part of evidence/system/sandbox.h; nobody else needs it.
#pragma once

#include "evidence/system/sandbox.h"

namespace impound {

/// An allow list for every thread of the process; sets no_new_privs. After it nothing can be made executable: no
/// dlopen.
Result<void> allow_system_calls(SandboxRights const& rights);

}  // namespace impound
