// How often a test tries.
#pragma once

#include <algorithm>
#include <cstdint>
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

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool under_sanitizer = true;
#else
inline constexpr bool under_sanitizer = false;
#endif

/// `all`, or `few`; under a sanitizer a quarter of these: what it sees does not depend on how often a seed is tried.
inline std::uint64_t tries(std::uint64_t all, std::uint64_t few) {
  if (full_counts()) return all;
  return under_sanitizer ? std::max<std::uint64_t>(1, few / 4) : few;
}

}  // namespace impound
