// Randomness, handed in from main so that a test is repeatable by its seed. May be asked from any thread.
#pragma once

#include <cstddef>
#include <span>

namespace impound {

class Randomness {
 public:
  virtual ~Randomness() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;
};

/// getrandom(2).
class SystemRandomness final : public Randomness {
 public:
  void fill(std::span<std::byte> bytes) override;
};

}  // namespace impound
