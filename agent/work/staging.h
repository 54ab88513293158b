// An acquisition's folder under staging/swarm, the only thing of the vault that the worker touches. Agent's thread.
#pragma once

#include <string>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::agent {

/// "staging/swarm/<folder>".
std::string staging_path(std::string const& folder);

/// Makes it when it is missing.
Result<void> make_staging_folder(Disk& vault, std::string const& folder);

/// Removes it with all that the worker left in it. What cannot be removed stays: nothing in staging is evidence.
void remove_staging_folder(Disk& vault, std::string const& folder);

}  // namespace impound::agent
