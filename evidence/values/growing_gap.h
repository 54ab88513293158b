// Gaps between tries that fail: the first, doubled each time, at most the largest; and spread a little, so that what
// failed together does not come back together. Pure; any thread. Whatever unit the caller counts in.
#pragma once

#include <algorithm>
#include <cstdint>

namespace impound {

/// After `times` failures and one more.
inline std::int64_t grown_gap(std::int64_t first, std::uint64_t times, std::int64_t most) {
  std::int64_t gap = first;
  for (std::uint64_t i = 0; i < times && gap < most; ++i) gap *= 2;
  return std::min(gap, most);
}

/// A tenth of it less to a tenth more. `dice`: any number.
inline std::int64_t with_jitter(std::int64_t gap, std::uint32_t dice) {
  std::int64_t const tenth = gap / 10;
  return gap - tenth + static_cast<std::int64_t>(static_cast<double>(2 * tenth) * (dice / 4294967295.0));
}

}  // namespace impound
