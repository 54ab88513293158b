// A stranger's words for a terminal and for a frame, whose texts must be UTF-8: printable ASCII is both. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <string>

namespace impound::fetchers {

/// Without every other byte, and cut to `bytes_max`.
inline std::string printable(std::string text, std::size_t bytes_max) {
  std::erase_if(text, [](char c) { return c < ' ' || c > '~'; });
  return text.substr(0, bytes_max);
}

}  // namespace impound::fetchers
