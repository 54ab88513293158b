// staging/torn: where bytes go that nothing vouches for and nobody may lose: what a crash left half done, what sealing
// refused. Nothing there is evidence, nothing there is read again. Same thread as the caller's Disk; errors: the
// disk's.
#pragma once

#include <string>
#include <string_view>

#include "evidence/system/disk.h"

namespace impound::evidence {

/// Renames `path` to staging/torn/<name>, or <name>.1, <name>.2 … when that is taken; gives the new path. No folder is
/// synced.
Result<std::string> set_aside(Disk& vault, std::string_view path, std::string_view name);

}  // namespace impound::evidence
