// Every proof of every tree up to 300 entries, ten thousand of trees up to 100,000, and every bit of fifty of them.
#include <doctest/doctest.h>

#include <bit>
#include <random>
#include <vector>

#include "evidence/formats/hex.h"
#include "evidence/formats/merkle.h"

namespace impound {
namespace {

/// All complete subtrees over so many leaves, level by level.
class WholeTree {
 public:
  explicit WholeTree(std::uint64_t leaves) {
    levels_.emplace_back();
    for (std::uint64_t i = 0; i < leaves; ++i) levels_[0].push_back(leaf_hash(bytes_of("entry " + std::to_string(i))));
    while (levels_.back().size() > 1) {
      std::vector<LeafHash> const& below = levels_.back();
      std::vector<LeafHash> level;
      for (std::size_t i = 0; i + 1 < below.size(); i += 2) level.push_back(node_hash(below[i], below[i + 1]));
      levels_.push_back(std::move(level));
    }
  }
  LeafHash const& leaf(std::uint64_t index) const { return levels_[0][index]; }
  StoredHashes stored() const {
    return [this](std::span<TreeNode const> wanted, std::span<LeafHash> into) -> Result<void> {
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto const [level, index] = wanted[i];
        if (level >= levels_.size() || index >= levels_[level].size()) return Error{Code::not_found, "no hash", {}, {}};
        into[i] = levels_[level][index];
      }
      return ok();
    };
  }
  Sha256 root(std::uint64_t size) const { return MerkleProver(size, stored()).root().value(); }
  MerkleProof inclusion(std::uint64_t index, std::uint64_t size) const {
    return MerkleProver(size, stored()).inclusion(index).value();
  }
  MerkleProof consistency(std::uint64_t from, std::uint64_t to) const {
    return MerkleProver(to, stored()).consistency(from).value();
  }

 private:
  std::vector<std::vector<LeafHash>> levels_;
};

constexpr std::uint64_t leaves_max = 100'000;

WholeTree const& big_tree() {
  static WholeTree const tree{leaves_max};
  return tree;
}

/// Calls `changed` once for each bit of the hashes, that bit turned; gives how many.
template <class Changed>
std::size_t for_each_bit(std::span<LeafHash> hashes, Changed changed) {
  for (LeafHash& hash : hashes)
    for (std::byte& byte : hash.bytes)
      for (unsigned bit = 0; bit < 8; ++bit) {
        byte ^= std::byte{1} << bit;
        changed();
        byte ^= std::byte{1} << bit;
      }
  return hashes.size() * 256;
}

}  // namespace

TEST_CASE("P7: all proofs of all trees up to 300 entries hold, and for no other entry, place, size or root") {
  WholeTree const tree{301};
  std::vector<Sha256> roots;
  for (std::uint64_t size = 0; size <= 301; ++size) roots.push_back(size == 0 ? empty_root() : tree.root(size));
  std::size_t proofs = 0;
  for (std::uint64_t size = 1; size <= 300; ++size)
    for (std::uint64_t index = 0; index < size; ++index, ++proofs) {
      MerkleProof const proof = tree.inclusion(index, size);
      bool const holds = inclusion_holds(tree.leaf(index), index, size, proof, roots[size]);
      bool const elsewhere = inclusion_holds(tree.leaf(index), index + 1, size, proof, roots[size]) ||
                             inclusion_holds(tree.leaf(index + 1), index, size, proof, roots[size]) ||
                             inclusion_holds(tree.leaf(index), index, size, proof, roots[size + 1]);
      if (!holds || elsewhere) FAIL("entry ", index, " of ", size);
    }
  for (std::uint64_t to = 0; to <= 300; ++to)
    for (std::uint64_t from = 0; from <= to; ++from, ++proofs) {
      MerkleProof const proof = from == 0 ? MerkleProof{} : tree.consistency(from, to);
      bool const holds = consistency_holds(from, to, proof, roots[from], roots[to]);
      bool const forged = from > 0 && from < to &&
                          (consistency_holds(from, to, proof, roots[from - 1], roots[to]) ||
                           consistency_holds(from, to, proof, roots[from], roots[to + 1]));
      if (!holds || forged) FAIL("from ", from, " to ", to);
    }
  MESSAGE("proofs: ", proofs);
  CHECK(proofs == 45'150 + 45'451);
}

TEST_CASE("P7: ten thousand proofs of trees up to 100,000 entries hold") {
  WholeTree const& tree = big_tree();
  std::mt19937_64 draw{20'170'505};
  for (int i = 0; i < 10'000; ++i) {
    std::uint64_t const size = 1 + draw() % leaves_max;
    std::uint64_t const index = draw() % size;
    std::uint64_t const older = 1 + draw() % size;
    Sha256 const root = tree.root(size);
    CAPTURE(size);
    CAPTURE(index);
    CAPTURE(older);
    if (!inclusion_holds(tree.leaf(index), index, size, tree.inclusion(index, size), root)) FAIL("inclusion");
    if (!consistency_holds(older, size, tree.consistency(older, size), tree.root(older), root)) FAIL("consistency");
  }
}

TEST_CASE("P2: fifty proofs with any one bit changed fail, in the leaf, the path, the root, the index and the size") {
  WholeTree const& tree = big_tree();
  std::mt19937_64 draw{7'052'017};
  std::size_t changed = 0;
  for (int i = 0; i < 50; ++i) {
    std::uint64_t const size = 2 + draw() % (leaves_max - 1);
    std::uint64_t const index = draw() % size;
    MerkleProof proof = tree.inclusion(index, size);
    LeafHash leaf = tree.leaf(index);
    LeafHash root = as_node(tree.root(size));
    auto const refused = [&](std::uint64_t at, std::uint64_t of) {
      if (inclusion_holds(leaf, at, of, proof, as_root(root))) FAIL("entry ", at, " of ", of);
    };
    changed += for_each_bit(proof, [&] { refused(index, size); });
    changed += for_each_bit({&leaf, 1}, [&] { refused(index, size); });
    changed += for_each_bit({&root, 1}, [&] { refused(index, size); });
    // The size is not wholly bound by a path (RFC 9162 §2.1.3.2 takes any that gives it the same shape): the
    // checkpoint's signature binds it. The index is.
    for (unsigned bit = 0; bit < 64; ++bit, ++changed) refused(index ^ (std::uint64_t{1} << bit), size);
    REQUIRE(inclusion_holds(leaf, index, size, proof, as_root(root)));

    std::uint64_t const older = 1 + draw() % (size - 1);
    MerkleProof growth = tree.consistency(older, size);
    LeafHash before = as_node(tree.root(older));
    auto const no_growth = [&] {
      if (consistency_holds(older, size, growth, as_root(before), as_root(root))) FAIL("from ", older, " to ", size);
    };
    changed += for_each_bit(growth, no_growth);
    changed += for_each_bit({&before, 1}, no_growth);
    changed += for_each_bit({&root, 1}, no_growth);
  }
  MESSAGE("changed bits: ", changed);
  CHECK(changed > 300'000);
}

}  // namespace impound
