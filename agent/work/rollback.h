// A rollback that an operator accepts: what is given up is kept before it is given up.
//
//     STATE/rollback-accepted.json   {"reason", "given_up": [{"where", "note"}]}
//
// It is durable before anything that remembers the newer checkpoint is overwritten, and removed once rollback.accepted
// is under a signature. A start that finds it after a crash logs it first, so that there is no instant at which the
// memory is gone and the log does not say so. One thread, the one that opens the session.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evidence/checkpoint_copies.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::agent {

inline constexpr std::string_view accepted_rollback_path = "rollback-accepted.json";

/// A signed note that says more than the vault has, or something else, or that nobody here can read.
struct GivenUp {
  std::string where;  // "state", or a copy's path
  std::string note;
};

struct AcceptedRollback {
  std::string reason;
  std::vector<GivenUp> given_up;  // no note twice
};

/// What STATE and the copies remember now. Code::damaged or the disk's error when STATE cannot be read.
Result<AcceptedRollback> what_is_given_up(Disk& state, evidence::CheckpointCopies* copies, std::string reason);

Result<void> keep_accepted(Disk& state, AcceptedRollback const& accepted);
/// Nothing when there is none. Code::damaged for a file that is not ours.
Result<std::optional<AcceptedRollback>> read_accepted(Disk& state);
Result<void> forget_accepted(Disk& state);

/// The body of rollback.accepted: the log goes on from `size` entries.
Json rollback_body(AcceptedRollback const& accepted, std::uint64_t size);

}  // namespace impound::agent
