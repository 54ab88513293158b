// Base32 (RFC 4648 §6), read only: magnets of old clients spell a v1 info-hash as 32 such characters (20 bytes).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "evidence/values/digest.h"

namespace impound {

/// Either case; padding may be left out. Nothing for another character, a length no encoder makes, or stray last bits.
std::optional<std::vector<std::byte>> from_base32(std::string_view text);

/// A digest from exactly the characters it takes (32 for 20 bytes), unpadded; else nothing.
template <class D>
std::optional<D> digest_from_base32(std::string_view text) {
  if (text.size() != (D::size * 8 + 4) / 5) return std::nullopt;
  auto const bytes = from_base32(text);
  if (!bytes || bytes->size() != D::size) return std::nullopt;
  D digest;
  for (std::size_t i = 0; i < D::size; ++i) digest.bytes[i] = (*bytes)[i];
  return digest;
}

}  // namespace impound
