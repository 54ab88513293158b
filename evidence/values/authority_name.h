// Names of time-stamping authorities. A name becomes a file's in the vault, so it has the form of a case's:
// [a-z0-9][a-z0-9._-]{0,63}.
#pragma once

#include <cstddef>
#include <string_view>

#include "evidence/values/case_name.h"

namespace impound {

/// Authorities of one attempt, and tokens of one result: no entry holds a longer list.
inline constexpr std::size_t authorities_max = 50;

inline bool authority_name_allowed(std::string_view name) { return CaseName::parse(name).has_value(); }

}  // namespace impound
