#include "agent/work/item_retries.h"

#include <algorithm>

#include "agent/index/queue.h"
#include "agent/work/reading.h"

namespace impound::agent {

Result<std::vector<ItemRetry>> item_retries(Settings const& settings) {
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(jobs, reading.ask([](index::Index& index) { return index::Queue{index.database()}.list(false); }));
  std::vector<ItemRetry> items;
  for (index::Job const& job : jobs) {
    if (job.kind != index::job_item || job.state != "waiting") continue;
    items.push_back({job.subject.value("source", ""), job.subject.value("key", ""),
                     static_cast<unsigned>(std::min<std::uint64_t>(job.attempts, 64)), job.not_before_us});
  }
  return items;
}

}  // namespace impound::agent
