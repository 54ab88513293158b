// Bytes as lowercase hexadecimal and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/digest.h"

namespace impound {

std::string hex(Bytes bytes);

template <class Tag, std::size_t N>
std::string hex(Digest<Tag, N> const& digest) {
  return hex(Bytes{digest.bytes});
}

/// Either case is read; an odd length or another character gives nothing.
std::optional<std::vector<std::byte>> from_hex(std::string_view text);

/// A digest from exactly 2N hex digits, else nothing.
template <class D>
std::optional<D> digest_from_hex(std::string_view text) {
  if (text.size() != 2 * D::size) return std::nullopt;
  auto bytes = from_hex(text);
  if (!bytes) return std::nullopt;
  D digest;
  for (std::size_t i = 0; i < D::size; ++i) digest.bytes[i] = (*bytes)[i];
  return digest;
}

/// The bytes of a text, for hashing and writing.
inline Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span{text.data(), text.size()}); }
inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<char const*>(bytes.data()), bytes.size()}; }

}  // namespace impound
