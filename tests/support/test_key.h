// Signing keys for tests, each made once: OpenSSL takes longer to decode one than to sign with it.
#pragma once

#include <array>
#include <cstddef>
#include <map>

#include "evidence/signing_key.h"

namespace impound::evidence {

/// The key whose seed is 32 times this byte, anew: for whoever takes one for himself.
inline SigningKey make_test_key(unsigned char fill) {
  std::array<std::byte, 32> seed{};
  seed.fill(std::byte{fill});
  return SigningKey::from_seed(seed);
}

/// The same, made once. One thread only.
inline SigningKey const& test_key(unsigned char fill = 7) {
  static std::map<unsigned char, SigningKey> made;
  auto const at = made.find(fill);
  return at != made.end() ? at->second : made.emplace(fill, make_test_key(fill)).first->second;
}

}  // namespace impound::evidence
