// The hashes of one piece, taken of its blocks as they come, while they are in the processor's cache: SHA-1 of the
// whole (BEP 3) and SHA-256 of each block of 16 KiB (BEP 52).
//
// SHA-1 goes in order. A block that comes early is held in memory, out of one budget for all pieces; where that is used
// up it is let go of, and the piece is read once from the page cache in the end. A block that comes twice may have come
// with other bytes: then what lies on the disk decides.
//
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "evidence/formats/digests.h"

namespace impound::fetchers {

constexpr std::uint64_t block_bytes = 16u << 10;

struct PieceHashes {
  std::optional<Sha1> v1{};
  std::vector<Sha256> blocks{};  // v2; empty where the torrent has no v2 part
  bool operator==(PieceHashes const&) const = default;
};

/// Bytes of blocks that wait for those before them.
struct HeldBudget {
  std::uint64_t bytes_max = 16u << 20;
  std::uint64_t bytes = 0;
};

class PieceHashing {
 public:
  /// `v2_size`: bytes of the piece that v2 hashes; 0 without a v2 part.
  PieceHashing(HeldBudget& budget, bool v1, std::uint64_t v2_size);
  ~PieceHashing() { release(); }
  PieceHashing(PieceHashing const&) = delete;
  PieceHashing& operator=(PieceHashing const&) = delete;

  /// Bytes of the piece in their order, told once each.
  using InOrder = std::function<void(std::uint64_t start, Bytes bytes)>;
  void add(std::uint64_t start, Bytes bytes, InOrder const& in_order);
  /// How far the piece is hashed.
  std::uint64_t next() const { return next_; }
  /// The hashes, when all `size` bytes went by in order and each block of v2 once; otherwise it must be read.
  std::optional<PieceHashes> finish(std::uint64_t size);
  /// The hash of one block of v2, when it came once.
  std::optional<Sha256> block(std::size_t index) const;

 private:
  void take(std::uint64_t start, Bytes bytes, InOrder const& in_order);
  void release();

  HeldBudget& budget_;
  bool v1_;
  std::uint64_t v2_size_;
  std::uint64_t next_ = 0;
  bool doubtful_ = false;  // a block came twice
  Sha1Stream stream_;
  std::map<std::uint64_t, std::vector<std::byte>> held_;
  std::vector<std::optional<Sha256>> blocks_;
};

}  // namespace impound::fetchers
