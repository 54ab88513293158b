// CRC-32C (Castagnoli, RFC 3720 section 12.1): tells a torn record from a whole one. No proof against an adversary.
#pragma once

#include <cstdint>

#include "evidence/values/digest.h"

namespace impound {

/// Of the bytes that `before` is the checksum of, and of `bytes` behind them.
std::uint32_t crc32c(Bytes bytes, std::uint32_t before = 0);

}  // namespace impound
