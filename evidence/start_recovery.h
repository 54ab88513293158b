// What a crash can leave in objects/ that nothing names, set aside when the agent starts.
//
// To be called by the vault's holder after Sealing::recover(): an object that no entry of the log names was renamed
// there by a batch whose plan is gone, which a crash cannot do; so each one is worth an incident. Only well-formed
// names are moved; anything else in objects/ is not ours and is left for `verify` to name. One thread; errors: the
// disk's.
#pragma once

#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct RecoveryReport {
  std::vector<std::string> objects;  // paths that were set aside, as they were in the vault
};

/// `named`: every digest that an exhibit.sealed entry or a sealing plan names, in any order. Other objects →
/// staging/torn.
Result<RecoveryReport> set_aside_unnamed(Disk& vault, std::vector<Sha256> named);

}  // namespace impound::evidence
