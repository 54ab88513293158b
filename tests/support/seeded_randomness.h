// Randomness from a seed (SplitMix64): the same seed is the same world.
#pragma once

#include <cstdint>
#include <mutex>

#include "evidence/system/randomness.h"

namespace impound {

class SeededRandomness final : public Randomness {
 public:
  explicit SeededRandomness(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> bytes) override;
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // 0 … bound-1
  bool coin() { return (next() & 1) != 0; }

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace impound
