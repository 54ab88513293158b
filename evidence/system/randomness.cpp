#include "evidence/system/randomness.h"

#include <sys/random.h>

#include <cerrno>

#include "evidence/values/must.h"

namespace impound {

void SystemRandomness::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t const count = ::getrandom(bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    must(count > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace impound
