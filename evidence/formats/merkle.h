// The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1 with SHA-256): hashes, proofs made from stored hashes, proofs
// checked.
//
//     leaf = SHA-256(0x00 || entry)      node = SHA-256(0x01 || left || right)
//     root of n entries = node(root of the first k, root of the rest), k = the largest power of two below n
//
// Checking takes hostile numbers and proofs and answers yes or no. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound {

LeafHash leaf_hash(Bytes entry);
LeafHash node_hash(LeafHash const& left, LeafHash const& right);
/// The same for many at once, several times as fast (many_digests.h); `into` is as long as `entries`.
void leaf_hashes(std::span<Bytes const> entries, std::span<LeafHash> into);
/// The level above: `into` is half as long as `below`, which may begin where `into` does.
void node_hashes(std::span<LeafHash const> below, std::span<LeafHash> into);
/// The hash over all of 1, 2, 4, 8 … hashes, which are overwritten.
LeafHash fold_hashes(std::span<LeafHash> hashes);

/// The root of a tree is a plain SHA-256 as checkpoints carry it.
inline Sha256 as_root(LeafHash const& node) { return Sha256{node.bytes}; }
inline LeafHash as_node(Sha256 const& root) { return LeafHash{root.bytes}; }
Sha256 empty_root();  // SHA-256("")

/// Leaves one after the other; keeps one hash for each set bit of the size.
class MerkleFrontier {
 public:
  void add(LeafHash const& leaf);
  std::uint64_t size() const { return size_; }
  Sha256 root() const;

 private:
  std::vector<LeafHash> peaks_;  // of the complete subtrees, largest first
  std::uint64_t size_ = 0;
};

using MerkleProof = std::vector<LeafHash>;

/// RFC 9162 §2.1.3.2.
bool inclusion_holds(LeafHash const& leaf, std::uint64_t index, std::uint64_t size, std::span<LeafHash const> proof,
                     Sha256 const& root);
/// RFC 9162 §2.1.4.2; the empty tree is consistent with every tree by the empty proof.
bool consistency_holds(std::uint64_t old_size, std::uint64_t new_size, std::span<LeafHash const> proof,
                       Sha256 const& old_root, Sha256 const& new_root);

/// A complete subtree: leaves [index·2^level, (index+1)·2^level).
struct TreeNode {
  unsigned level = 0;
  std::uint64_t index = 0;
};

/// Puts the hash of each wanted node, which must all be in the tree, into its place of `into`, which is as long. A
/// proof asks once for all it needs, so that a reader opens each tile once.
using StoredHashes = std::function<Result<void>(std::span<TreeNode const> wanted, std::span<LeafHash> into)>;

/// Makes proofs in the tree of `size` leaves out of its stored hashes. What no complete subtree covers is the tree's
/// right edge: its hashes are worked out with the first proof that needs them and kept (64 at most). An error of
/// `stored` is handed on. One thread at a time.
class MerkleProver {
 public:
  MerkleProver(std::uint64_t size, StoredHashes stored) : size_(size), stored_(std::move(stored)) {}

  Result<Sha256> root();
  /// RFC 6962 §2.1.1, for a leaf of the tree.
  Result<MerkleProof> inclusion(std::uint64_t index);
  /// RFC 6962 §2.1.2, from the tree of the first `old_size` leaves, which this one is as long as or longer.
  Result<MerkleProof> consistency(std::uint64_t old_size);

 private:
  class Plan;
  Result<void> work_out_edge();
  Result<MerkleProof> read(Plan const& plan);

  std::uint64_t size_;
  StoredHashes stored_;
  std::vector<LeafHash> edge_;  // the hash over all leaves from the n-th complete subtree on, for each n
};

}  // namespace impound
