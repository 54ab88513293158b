// Bytes that look like payload, the same for the same seed.
#pragma once

#include <cstddef>
#include <string>

namespace impound::fetchers::test {

inline std::string bytes_like(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (char& one : bytes) one = static_cast<char>((seed = seed * 1'664'525u + 1'013'904'223u) >> 24);
  return bytes;
}

}  // namespace impound::fetchers::test
