// must(x): our own bug stops the process. Never used on input: hostile bytes get a Result, whatever they do.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace impound {

inline void must(bool holds, std::source_location at = std::source_location::current()) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "impound: a bug: an invariant does not hold at %s:%u (%s)\n", at.file_name(), at.line(),
               at.function_name());
  std::abort();
}

}  // namespace impound
