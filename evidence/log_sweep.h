// Takes away what a publish that was cut short has left under log/: drafts, and tiles that the published size does not
// have. Part of the start of a CustodyLog; the next publish writes the same names anew. Names that are no tile's stay:
// they are not this code's to judge, and verify names them. The writer's thread only.
#pragma once

#include <cstdint>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

enum class Sweep {
  away,       // removed
  into_torn,  // tiles are kept in staging/torn: after an accepted rollback they are the only trace of what was there
};

/// Looks into the few folders that a publish from `size` on, or up to it, can have written to.
Result<void> sweep_log(Disk& vault, std::uint64_t size, Sweep how);

}  // namespace impound::evidence
