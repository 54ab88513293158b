// How often a test tries.
#pragma once

#include <cstdlib>
#include <string_view>

namespace impound {

/// True when a test tries as often as was promised: IMPOUND_TEST_ALL=1 or CI=true. Otherwise about a tenth of it will
/// do.
inline bool full_counts() {
  auto const set = [](char const* name, std::string_view to) {
    char const* const value = std::getenv(name);
    return value != nullptr && value == to;
  };
  return set("IMPOUND_TEST_ALL", "1") || set("CI", "true");
}

}  // namespace impound
