// What the log says about timestamps, gathered at a start: attempts that are still open, files that entries name, and
// up to which size the log is anchored. Fed with every entry in the log's order. One thread; memory grows with the
// number of tokens (about 300 bytes each).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/system/disk.h"
#include "evidence/timestamps/stamping_entry.h"

namespace impound::evidence {

struct AnchoredBy {
  std::uint64_t size = 0;
  std::uint64_t tokens = 0;
  std::int64_t gen_time_us = 0;  // the earliest of its tokens
};

class StampingHistory {
 public:
  /// Entries of other kinds, and bodies that cannot be read, are passed over.
  void take(ReadEntry const& entry);

  /// Attempts without a result, oldest first (by id).
  std::map<EntryId, StampingAttempt> const& open() const { return open_; }
  /// The largest size that a result of state complete or met has.
  std::optional<AnchoredBy> const& anchored() const { return anchored_; }
  /// Whether an entry names this path of the vault, or an open attempt asked for it.
  bool vouches_for(std::string const& path) const;
  /// The .tsr that this path lies beside (or is), when an open attempt asked for it.
  std::optional<std::string> open_token_of(std::string_view path) const;

 private:
  std::map<EntryId, StampingAttempt> open_;
  std::set<std::string> named_;
  std::optional<AnchoredBy> anchored_;
};

/// At a start: drafts and halves that an open attempt left are removed; every other file under log/checkpoints/ and
/// timestamps/ that nothing vouches for goes to staging/torn. Gives the paths those had: each is worth an incident.
Result<std::vector<std::string>> set_aside_unnamed_timestamps(Disk& vault, StampingHistory const& history);

}  // namespace impound::evidence
