#include "evidence/formats/merkle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "evidence/formats/digests.h"
#include "evidence/formats/many_digests.h"
#include "evidence/values/must.h"

namespace impound {

namespace {

constexpr std::byte leaf_prefix{0x00};
constexpr std::byte node_prefix{0x01};

/// The largest power of two below n, as its exponent; n ≥ 2.
unsigned split_level(std::uint64_t n) { return static_cast<unsigned>(std::bit_width(n - 1)) - 1; }

using NodeBytes = std::array<std::byte, 1 + 2 * LeafHash::size>;

NodeBytes node_bytes(LeafHash const& left, LeafHash const& right) {
  NodeBytes bytes;
  bytes[0] = node_prefix;
  std::copy(left.bytes.begin(), left.bytes.end(), bytes.begin() + 1);
  std::copy(right.bytes.begin(), right.bytes.end(), bytes.begin() + 1 + LeafHash::size);
  return bytes;
}

void hash_each(std::span<Bytes const> messages, std::span<LeafHash> into) {
  std::vector<Sha256> digests(messages.size());
  sha256_each(messages, digests);
  std::transform(digests.begin(), digests.end(), into.begin(), as_node);
}

}  // namespace

LeafHash leaf_hash(Bytes entry) {
  Sha256Stream hash;
  hash.add(Bytes{&leaf_prefix, 1});
  hash.add(entry);
  return as_node(hash.finish());
}

LeafHash node_hash(LeafHash const& left, LeafHash const& right) { return as_node(sha256(node_bytes(left, right))); }

void leaf_hashes(std::span<Bytes const> entries, std::span<LeafHash> into) {
  must(entries.size() == into.size());
  std::size_t all = 0;
  for (Bytes const entry : entries) all += 1 + entry.size();
  std::vector<std::byte> bytes;
  bytes.reserve(all);  // never moved: `messages` point into it
  std::vector<Bytes> messages;
  messages.reserve(entries.size());
  for (Bytes const entry : entries) {
    std::size_t const start = bytes.size();
    bytes.push_back(leaf_prefix);
    bytes.insert(bytes.end(), entry.begin(), entry.end());
    messages.push_back(Bytes{bytes}.subspan(start));
  }
  hash_each(messages, into);
}

void node_hashes(std::span<LeafHash const> below, std::span<LeafHash> into) {
  must(below.size() == 2 * into.size());
  std::vector<NodeBytes> nodes(into.size());
  std::vector<Bytes> messages;
  messages.reserve(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i] = node_bytes(below[2 * i], below[2 * i + 1]);
    messages.push_back(nodes[i]);
  }
  hash_each(messages, into);
}

LeafHash fold_hashes(std::span<LeafHash> hashes) {
  for (std::size_t width = hashes.size() / 2; width > 0; width /= 2)
    node_hashes(hashes.first(2 * width), hashes.first(width));
  return hashes.front();
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

/// The ranges of leaves whose hashes make a proof, in its order. One of them at most is not complete: it reaches to the
/// end of the tree.
class MerkleProver::Plan {
 public:
  static constexpr std::size_t ranges_max = 64;

  explicit Plan(std::uint64_t size) : size_(size) {}

  /// RFC 6962 §2.1.1 PATH, for the leaf `index` within leaves [from, to).
  void path(std::uint64_t index, std::uint64_t from, std::uint64_t to) {
    if (to - from == 1) return;
    std::uint64_t const middle = from + (std::uint64_t{1} << split_level(to - from));
    if (index < middle) {
      path(index, from, middle);
      add(middle, to);
    } else {
      path(index, middle, to);
      add(from, middle);
    }
  }

  /// RFC 6962 §2.1.2 SUBPROOF: of the leaves [from, to) the first ones up to `old` are the old tree's.
  void subproof(std::uint64_t old, std::uint64_t from, std::uint64_t to, bool whole) {
    if (old == to) {
      if (!whole) add(from, to);
      return;
    }
    std::uint64_t const middle = from + (std::uint64_t{1} << split_level(to - from));
    if (old <= middle) {
      subproof(old, from, middle, whole);
      add(middle, to);
    } else {
      subproof(old, middle, to, false);
      add(from, middle);
    }
  }

  std::span<TreeNode const> nodes() const { return std::span(nodes_).first(ranges_); }
  /// Which range is on the edge, and how many complete subtrees are left of it.
  struct Edge {
    std::size_t range;
    std::size_t subtrees_before;
  };
  std::optional<Edge> const& edge() const { return edge_; }

 private:
  void add(std::uint64_t from, std::uint64_t to) {
    must(ranges_ < ranges_max);
    // For the edge that is its first subtree, which is read in vain: a proof asks for 20 nodes, once.
    auto const level = static_cast<unsigned>(std::bit_width(to - from)) - 1;
    nodes_[ranges_] = {level, from >> level};
    if (!std::has_single_bit(to - from)) {
      must(to == size_ && !edge_);
      edge_ = {ranges_, static_cast<std::size_t>(std::popcount(from))};
    }
    ++ranges_;
  }

  std::uint64_t size_;
  std::array<TreeNode, ranges_max> nodes_;
  std::size_t ranges_ = 0;
  std::optional<Edge> edge_;
};

Result<void> MerkleProver::work_out_edge() {
  if (!edge_.empty()) return ok();
  std::vector<TreeNode> subtrees;
  for (std::uint64_t first = 0; first != size_;) {
    std::uint64_t const leaves = std::bit_floor(size_ - first);
    auto const level = static_cast<unsigned>(std::countr_zero(leaves));
    subtrees.push_back({level, first >> level});
    first += leaves;
  }
  std::vector<LeafHash> hashes(subtrees.size());
  IMPOUND_CHECK(stored_(subtrees, hashes));
  for (std::size_t n = hashes.size() - 1; n-- > 0;) hashes[n] = node_hash(hashes[n], hashes[n + 1]);
  edge_ = std::move(hashes);
  return ok();
}

Result<MerkleProof> MerkleProver::read(Plan const& plan) {
  MerkleProof proof(plan.nodes().size());
  IMPOUND_CHECK(stored_(plan.nodes(), proof));
  if (plan.edge()) {
    IMPOUND_CHECK(work_out_edge());
    proof[plan.edge()->range] = edge_[plan.edge()->subtrees_before];
  }
  return proof;
}

Result<Sha256> MerkleProver::root() {
  if (size_ == 0) return empty_root();
  IMPOUND_CHECK(work_out_edge());
  return as_root(edge_.front());
}

Result<MerkleProof> MerkleProver::inclusion(std::uint64_t index) {
  must(index < size_);
  Plan plan(size_);
  plan.path(index, 0, size_);
  return read(plan);
}

Result<MerkleProof> MerkleProver::consistency(std::uint64_t old_size) {
  must(old_size <= size_);
  Plan plan(size_);
  if (old_size != 0 && old_size != size_) plan.subproof(old_size, 0, size_, true);
  return read(plan);
}

}  // namespace impound
