// Notices when the wall clock was set: by NTP, by an operator, by somebody who wants an entry to look older.
//
// The wall clock is held against the time since boot, which nobody sets. A difference of more than a second since the
// last look is a step; what an NTP daemon slews (at most 500 ppm, adjtimex(2)) is not. The order of entries is their
// index: a step changes no order, it only must not go unsaid. One thread, the writer's.
#pragma once

#include <cstdint>
#include <optional>

#include "evidence/custody_entry.h"
#include "evidence/system/clock.h"

namespace impound::evidence {

class ClockSteps {
 public:
  /// From now on; `clock` must outlive it.
  explicit ClockSteps(Clock& clock);

  /// Since the last look: a draft of clock.stepped {moved_us, over_us, from_utc, to_utc}, where from_utc is what the
  /// clock would say without the step; nothing when it ran on.
  std::optional<EntryDraft> look();

 private:
  Clock* clock_;
  std::int64_t utc_us_;
  std::int64_t boot_us_;
};

}  // namespace impound::evidence
