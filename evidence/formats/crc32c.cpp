#include "evidence/formats/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstddef>

namespace impound {

std::uint32_t crc32c(Bytes bytes, std::uint32_t before) {
  // isa-l's function has neither the usual first nor last inversion, counts in int, and promises not to write.
  std::uint32_t crc = ~before;
  while (!bytes.empty()) {
    std::size_t const count = std::min<std::size_t>(bytes.size(), 1 << 30);
    auto* const from = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    crc = ::crc32_iscsi(from, static_cast<int>(count), crc);
    bytes = bytes.subspan(count);
  }
  return ~crc;
}

}  // namespace impound
