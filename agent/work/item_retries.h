// Items of sources that earlier runs could not have: how often they were tried, and when the next try comes. From the
// queue (agent/index/queue.h), which is the log's. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/settings/settings.h"

namespace impound::agent {

struct ItemRetry {
  std::string source, key;
  unsigned tries = 0;
  std::int64_t not_before_utc_us = 0;
};

/// Those that wait. Errors are those of VaultReading.
Result<std::vector<ItemRetry>> item_retries(Settings const& settings);

}  // namespace impound::agent
