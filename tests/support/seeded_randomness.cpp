#include "tests/support/seeded_randomness.h"

namespace impound {

std::uint64_t SeededRandomness::next() {
  std::lock_guard const lock(mutex_);
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;  // SplitMix64 (Steele, Lea, Flood 2014)
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

std::uint64_t SeededRandomness::below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

void SeededRandomness::fill(std::span<std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    std::uint64_t const word = next();
    for (unsigned b = 0; b < 8 && i < bytes.size(); ++b, ++i) bytes[i] = static_cast<std::byte>(word >> (8 * b));
  }
}

}  // namespace impound
