// STATE/last-checkpoint: the newest checkpoint this agent has signed, as a whole note, kept outside the vault, so that
// a vault put back to an earlier state is seen (the compare-and-swap store of Sunlight). It moves before the signature
// leaves the process. Who can change it together with the vault can roll both back unseen here.
//
// The writer's thread only. The swap reads, compares and renames: two agents at one STATE are kept apart by the lock of
// the folder that the agent holds, not by this class.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "evidence/checkpoint.h"
#include "evidence/system/disk.h"

namespace impound::evidence {

inline constexpr std::string_view last_checkpoint_path = "last-checkpoint";

/// A note and what it says.
struct CheckpointNote {
  Checkpoint checkpoint;
  std::string bytes;
};

/// The file as it is, not verified; nothing when there is none.
Result<std::optional<std::string>> last_checkpoint_bytes(Disk& state);

/// Nothing when there is no file; a file that none of `known` signed is Code::damaged.
Result<std::optional<CheckpointNote>> read_last_checkpoint(Disk& state, std::span<NoteKey const> known);

/// Replaces `expected` (nothing: there must be no file) by `next`, durable on return. Another content than expected is
/// Code::rolled_back: a second agent, or a copy of the vault, has gone on elsewhere.
Result<void> swap_last_checkpoint(Disk& state, std::optional<std::string_view> expected, std::string_view next);

}  // namespace impound::evidence
