// Digests as types that refuse to be mixed: equal in size, never comparable.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <span>

namespace impound {

using Bytes = std::span<std::byte const>;

template <class Tag, std::size_t N>
struct Digest {
  static constexpr std::size_t size = N;
  std::array<std::byte, N> bytes{};
  auto operator<=>(Digest const&) const = default;
};

using Sha256 = Digest<struct Sha256Tag, 32>;  // of plain bytes: an object, a record, a file
using Sha1 = Digest<struct Sha1Tag, 20>;
using Md5 = Digest<struct Md5Tag, 16>;        // beside others only: what older case systems look files up by
using LeafHash = Digest<struct LeafTag, 32>;  // RFC 6962: SHA-256(0x00 || entry); interior nodes carry the same type

}  // namespace impound
