#include "evidence/formats/merkle.h"

#include <bit>

#include "evidence/formats/digests.h"
#include "evidence/values/must.h"

namespace impound {

namespace {

constexpr std::byte leaf_prefix{0x00};
constexpr std::byte node_prefix{0x01};

/// The largest power of two below n, as its exponent; n ≥ 2.
unsigned split_level(std::uint64_t n) { return static_cast<unsigned>(std::bit_width(n - 1)) - 1; }

/// The hash over leaves [from, to), which lies in the tree such that `from` is a multiple of the power of two ≥
/// to-from.
Result<LeafHash> range_hash(std::uint64_t from, std::uint64_t to, StoredHash const& stored) {
  std::uint64_t const n = to - from;
  if (std::has_single_bit(n)) {
    auto const level = static_cast<unsigned>(std::countr_zero(n));
    return stored(level, from >> level);
  }
  std::uint64_t const middle = from + (std::uint64_t{1} << split_level(n));
  IMPOUND_TRY(left, range_hash(from, middle, stored));
  IMPOUND_TRY(right, range_hash(middle, to, stored));
  return node_hash(left, right);
}

/// RFC 6962 §2.1.1 PATH, for the leaf `index` within leaves [from, to).
Result<void> path(std::uint64_t index, std::uint64_t from, std::uint64_t to, StoredHash const& stored,
                  MerkleProof& proof) {
  if (to - from == 1) return ok();
  std::uint64_t const middle = from + (std::uint64_t{1} << split_level(to - from));
  bool const left = index < middle;
  IMPOUND_CHECK(left ? path(index, from, middle, stored, proof) : path(index, middle, to, stored, proof));
  IMPOUND_TRY(sibling, left ? range_hash(middle, to, stored) : range_hash(from, middle, stored));
  proof.push_back(sibling);
  return ok();
}

/// RFC 6962 §2.1.2 SUBPROOF: of the leaves [from, to) the first ones up to `old` are the old tree's.
Result<void> subproof(std::uint64_t old, std::uint64_t from, std::uint64_t to, bool whole, StoredHash const& stored,
                      MerkleProof& proof) {
  if (old == to) {
    if (whole) return ok();
    IMPOUND_TRY(hash, range_hash(from, to, stored));
    proof.push_back(hash);
    return ok();
  }
  std::uint64_t const middle = from + (std::uint64_t{1} << split_level(to - from));
  bool const left = old <= middle;
  IMPOUND_CHECK(left ? subproof(old, from, middle, whole, stored, proof)
                     : subproof(old, middle, to, false, stored, proof));
  IMPOUND_TRY(other, left ? range_hash(middle, to, stored) : range_hash(from, middle, stored));
  proof.push_back(other);
  return ok();
}

}  // namespace

LeafHash leaf_hash(Bytes entry) {
  Sha256Stream hash;
  hash.add(Bytes{&leaf_prefix, 1});
  hash.add(entry);
  return as_node(hash.finish());
}

LeafHash node_hash(LeafHash const& left, LeafHash const& right) {
  std::array<std::byte, 65> bytes{};
  bytes[0] = node_prefix;
  std::copy(left.bytes.begin(), left.bytes.end(), bytes.begin() + 1);
  std::copy(right.bytes.begin(), right.bytes.end(), bytes.begin() + 33);
  return as_node(sha256(bytes));
}

Sha256 empty_root() { return sha256({}); }

void MerkleFrontier::add(LeafHash const& leaf) {
  LeafHash hash = leaf;
  for (std::uint64_t full = size_; (full & 1) != 0; full >>= 1) {
    hash = node_hash(peaks_.back(), hash);
    peaks_.pop_back();
  }
  peaks_.push_back(hash);
  ++size_;
}

Sha256 MerkleFrontier::root() const {
  if (peaks_.empty()) return empty_root();
  LeafHash hash = peaks_.back();
  for (auto left = peaks_.rbegin() + 1; left != peaks_.rend(); ++left) hash = node_hash(*left, hash);
  return as_root(hash);
}

bool inclusion_holds(LeafHash const& leaf, std::uint64_t index, std::uint64_t size, std::span<LeafHash const> proof,
                     Sha256 const& root) {
  if (index >= size) return false;
  std::uint64_t fn = index;
  std::uint64_t sn = size - 1;
  LeafHash hash = leaf;
  for (LeafHash const& step : proof) {
    if (sn == 0) return false;
    if ((fn & 1) != 0 || fn == sn) {
      hash = node_hash(step, hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = node_hash(hash, step);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn == 0 && as_root(hash) == root;
}

bool consistency_holds(std::uint64_t old_size, std::uint64_t new_size, std::span<LeafHash const> proof,
                       Sha256 const& old_root, Sha256 const& new_root) {
  if (old_size > new_size) return false;
  if (old_size == new_size) return proof.empty() && old_root == new_root;
  if (old_size == 0) return proof.empty() && old_root == empty_root();
  // A complete old tree is a node of the new one and is left out of the proof.
  std::size_t next = 0;
  bool const complete = std::has_single_bit(old_size);
  if (!complete && proof.empty()) return false;
  LeafHash old_hash = complete ? as_node(old_root) : proof[next++];
  LeafHash new_hash = old_hash;
  std::uint64_t fn = old_size - 1;
  std::uint64_t sn = new_size - 1;
  while ((fn & 1) != 0) {
    fn >>= 1;
    sn >>= 1;
  }
  for (; next < proof.size(); ++next) {
    if (sn == 0) return false;
    if ((fn & 1) != 0 || fn == sn) {
      old_hash = node_hash(proof[next], old_hash);
      new_hash = node_hash(proof[next], new_hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      new_hash = node_hash(new_hash, proof[next]);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn == 0 && as_root(old_hash) == old_root && as_root(new_hash) == new_root;
}

Result<Sha256> root_from(std::uint64_t size, StoredHash const& stored) {
  if (size == 0) return empty_root();
  IMPOUND_TRY(hash, range_hash(0, size, stored));
  return as_root(hash);
}

Result<MerkleProof> inclusion_proof(std::uint64_t index, std::uint64_t size, StoredHash const& stored) {
  must(index < size);
  MerkleProof proof;
  proof.reserve(static_cast<std::size_t>(std::bit_width(size)));
  IMPOUND_CHECK(path(index, 0, size, stored, proof));
  return proof;
}

Result<MerkleProof> consistency_proof(std::uint64_t old_size, std::uint64_t new_size, StoredHash const& stored) {
  must(old_size <= new_size);
  MerkleProof proof;
  if (old_size == 0 || old_size == new_size) return proof;
  IMPOUND_CHECK(subproof(old_size, 0, new_size, true, stored, proof));
  return proof;
}

}  // namespace impound
