// The queue: what is to be done, by whom it is being done, and when it is tried again.
//
//     waiting → leased → done                     complete()
//        ↑         ↓
//        └──── backoff, or dead after attempts_max   fail(); a lease that ran out is open to others again
//     waiting, leased, dead → cancelled           cancel()
//
// Jobs come from the log alone (rows.h): an acquisition until its result, a capture until its references are worked
// off, an item of a source that could not be had. What an operator or a policy decides (cancelled, given up) is a
// job.closed entry, which its caller writes; what stands here alone, leases and the next try, may be lost.
//
// Each call is one transaction. Two processes never lease the same job: a lease is one UPDATE that finds the job still
// free. Errors are the database's (database.h); Code::not_found where there is no such job, Code::refused where it is
// not in a state for that. `now_us` is wall-clock time, for leases outlive a boot. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/index/database.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/values/entry_id.h"

namespace impound {
class Clock;
class Randomness;
}  // namespace impound

namespace impound::index {

/// Kinds of jobs, and what `what` of a job.closed says.
inline constexpr std::string_view job_acquisition = "acquisition", job_references = "references", job_item = "item";
inline constexpr std::string_view job_cancelled = "cancelled", job_given_up = "given up";

struct Job {
  std::string id;    // of the entry that it began with
  std::string kind;  // one of the above
  Json subject;      // info_hash_v1, info_hash_v2; source, key, url, references
  std::string route;
  std::string cause;
  std::string case_name;
  std::int64_t priority = 0;
  std::string state;
  std::string owner;  // of one that is leased
  std::int64_t leased_until_us = 0;
  std::uint64_t attempts = 0;
  std::int64_t not_before_us = 0;  // 0: at once

  bool open() const { return state == "waiting" || state == "leased"; }
};

struct BackoffLimits {
  std::int64_t first_gap_us = 60'000'000;
  std::int64_t gap_us_max = 6 * 3600 * 1'000'000LL;
  std::optional<std::uint64_t> attempts_max{};  // then dead
};

/// The gap after `attempts` failures and one more: the first, doubled each time, at most the largest; with `dice` (any
/// number) ± 10 %.
std::int64_t backoff_us(BackoffLimits const& limits, unsigned attempts, std::optional<std::uint32_t> dice);

class Queue {
 public:
  explicit Queue(Database& database) : database_(&database) {}

  /// Open and dead ones, or all; in the order in which they began.
  Result<std::vector<Job>> list(bool all);
  Result<std::optional<Job>> find(EntryId const& id);
  /// The next try comes at once.
  Result<void> retry(EntryId const& id);
  Result<void> cancel(EntryId const& id);

 protected:
  Database* database_;
};

/// The queue of whoever works it off.
class WorkQueue : public Queue {
 public:
  WorkQueue(Database& database, Clock& clock, Randomness& randomness, BackoffLimits limits = {})
      : Queue(database), clock_(&clock), randomness_(&randomness), limits_(limits) {}

  /// The next one that is due, for `lease_us` from now on: the highest priority, then whoever waits longest. `kind`
  /// empty: any.
  Result<std::optional<Job>> lease(std::string const& owner, std::int64_t lease_us, std::string_view kind = {});
  /// Of a lease that its owner still has; Code::refused where another has it by now.
  Result<void> complete(EntryId const& id, std::string const& owner);
  /// The same: it waits, or is dead. The job as it is now.
  Result<Job> fail(EntryId const& id, std::string const& owner);
  Result<void> extend(EntryId const& id, std::string const& owner, std::int64_t lease_us);

 private:
  Clock* clock_;
  Randomness* randomness_;
  BackoffLimits limits_;
};

}  // namespace impound::index
