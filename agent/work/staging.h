// An acquisition's folder under staging/swarm/<route>, the only thing of the vault that the worker of this route
// touches. Agent's thread.
#pragma once

#include <cstdint>
#include <string>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::agent {

/// "staging/swarm/<below>": a route's folder, or an acquisition's in it.
std::string staging_path(std::string const& below);

/// Makes it when it is missing; what it lies in must be there.
Result<void> make_staging_folder(Disk& vault, std::string const& below);

/// What the disk has given for the files in it, the swarm record aside; what cannot be looked at counts as nothing.
std::uint64_t staged_bytes(Disk& vault, std::string const& below);

/// Removes it with all that the worker left in it. What cannot be removed stays: nothing in staging is evidence.
void remove_staging_folder(Disk& vault, std::string const& below);

}  // namespace impound::agent
