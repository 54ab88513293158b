// The log worked out again from its bytes: entries → leaf hashes → every tile → root, held against the signed
// checkpoint and against every other checkpoint that somebody has. Private to verify/.
//
// Bundles and level 0 tiles say the same thing twice: the entries, and their hashes. Two trees are grown, one from
// each, and the checkpoint says which of them is true; so a changed byte is laid at the door of the file that holds it.
// As long as the two agree, one tree stands for both.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "evidence/formats/merkle.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/system/disk.h"
#include "evidence/verify/entry_check.h"
#include "evidence/verify/key_check.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

/// The partial tiles of a checkpoint by path ("log/tile/…"), read at once because a newer checkpoint removes them.
using PartialTiles = std::map<std::string, std::string>;

class LogCheck {
 public:
  LogCheck(Disk& vault, Verdict& verdict, std::function<bool()> cancelled)
      : vault_(&vault),
        verdict_(&verdict),
        cancelled_(std::move(cancelled)),
        entries_(of_entries_),
        keys_(of_entries_) {}
  LogCheck(LogCheck const&) = delete;
  LogCheck& operator=(LogCheck const&) = delete;

  /// Sizes at which the root is wanted later; given before the walk passes them.
  void want_root_at(std::uint64_t size) {
    wanted_.insert(size);
    if (size > 0) entries_.want_time_of(size - 1);
  }

  /// Goes on to `size`. False when it was cancelled, or so much is missing that the walk was given up. What is wrong
  /// with single entries is told after all else, by tell_of_entries(): one altered entry can make a thousand others
  /// point nowhere.
  bool walk_to(std::uint64_t size, PartialTiles const& partial);

  /// Says what differs, now that the root at the walk's end is known to be `root`. `where`: what names that root.
  void judge(Sha256 const& root, std::string const& where);

  /// Once, at the end: with the holes, and what explains them.
  void tell_of_entries(bool beside_writer);

  /// The root at a wanted size, of the tree that judge() found true.
  std::optional<Sha256> root_at(std::uint64_t size) const;
  std::uint64_t size() const { return size_; }
  EntryCheck& entries() { return entries_; }
  KeyCheck const& keys() const { return keys_; }

 private:
  struct Tree {
    bool apart = true;                          // false: it is the other one so far
    std::vector<std::vector<LeafHash>> levels;  // hashes of the unfinished tile of each level
    std::vector<Problem> differences;           // problems if this tree is the true one
    std::map<std::uint64_t, Sha256> roots;

    void grow(LeafHash const& leaf);
    Sha256 root() const { return root_of_unfinished(levels); }
    void differ(std::string const& path, std::string detail);
  };
  struct Leaves {
    std::vector<LeafHash> from_bundle;
    std::vector<LeafHash> from_tile;
    std::string bundle;
    std::vector<std::string_view> entries;  // within `bundle`
    std::vector<Bytes> messages;            // the same
    std::vector<std::optional<LeanEntry>> lean;
    bool nothing = false;  // neither file can be read
  };

  void read_leaves(std::uint64_t index, unsigned width, PartialTiles const& partial, Leaves& leaves);
  bool read_bundle(TileName const& name, PartialTiles const& partial, Leaves& leaves);
  bool read_leaf_tile(TileName const& name, PartialTiles const& partial, Leaves& leaves);
  void unreadable(TileName const& tile, Error const& error);
  void take_entry(Leaves const& leaves, unsigned position);
  void part_tiles();
  Tree const& of_tiles() const { return tiles_.apart ? tiles_ : bundles_; }
  void compare_leaves(Leaves const& leaves, std::uint64_t index, unsigned width);
  void finish_tiles(unsigned level, std::uint64_t index);
  void compare_tile(TileName const& tile, PartialTiles const& partial, std::vector<LeafHash> const& in_bundles,
                    std::vector<LeafHash> const& in_tiles);
  Result<std::string> read_tile_file(TileName const& tile, PartialTiles const& partial);

  Disk* vault_;
  Verdict* verdict_;
  std::function<bool()> cancelled_;
  Verdict of_entries_;
  EntryCheck entries_;
  KeyCheck keys_;
  std::set<std::uint64_t> wanted_;
  std::uint64_t size_ = 0;
  Tree bundles_;
  Tree tiles_{false, {}, {}, {}};
  bool tiles_are_true_ = false;
};

}  // namespace impound::evidence
