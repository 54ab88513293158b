#include "evidence/verify/log_check.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::evidence {

namespace {

/// Bundles in a row of which neither entries nor hashes are there: then the checkpoint's size is a lie or the log is
/// gone.
constexpr unsigned gone_in_a_row_max = 100;

std::string path_of(TileName const& tile) { return "log/" + tile_path(tile); }

std::string bytes_of_hashes(std::vector<LeafHash> const& hashes) {
  std::string bytes;
  for (LeafHash const& hash : hashes) bytes.append(text_of(hash.bytes));
  return bytes;
}

std::vector<LeafHash> hashes_of_bytes(std::string_view bytes) {
  std::vector<LeafHash> hashes(bytes.size() / LeafHash::size);
  for (std::size_t i = 0; i < hashes.size(); ++i)
    std::memcpy(hashes[i].bytes.data(), bytes.data() + i * LeafHash::size, LeafHash::size);
  return hashes;
}

}  // namespace

void LogCheck::Tree::grow(LeafHash const& leaf) {
  if (!apart) return;
  if (levels.empty()) levels.emplace_back();
  levels[0].push_back(leaf);
}

void LogCheck::Tree::differ(std::string const& path, std::string detail) {
  if (differences.size() <= problems_max) differences.push_back({What::altered, path, std::move(detail)});
}

Result<std::string> LogCheck::read_tile_file(TileName const& tile, PartialTiles const& partial) {
  std::string const path = path_of(tile);
  if (tile.width < tile_width) {
    auto const found = partial.find(path);
    if (found == partial.end()) return Error{Code::not_found, "not there", path, {}};
    return found->second;
  }
  return read_whole(*vault_, path, tile.entries ? bundle_bytes_max : tile_bytes);
}

void LogCheck::unreadable(TileName const& tile, Error const& error) {
  verdict_->add(error.code == Code::not_found ? What::missing : What::malformed, path_of(tile), line(error));
}

bool LogCheck::read_bundle(TileName const& name, PartialTiles const& partial, Leaves& leaves) {
  auto bytes = read_tile_file(name, partial);
  if (!bytes) return unreadable(name, bytes.error()), false;
  leaves.bundle = std::move(bytes).value();
  auto const split = each_in_bundle(leaves.bundle, name.width, [&](unsigned, std::string_view entry) -> Result<void> {
    leaves.entries.push_back(entry);
    leaves.messages.push_back(bytes_of(entry));
    leaves.lean.push_back(entries_.read_ahead(entry));
    return ok();
  });
  leaves.from_bundle.resize(leaves.messages.size());
  leaf_hashes(leaves.messages, leaves.from_bundle);
  if (split && leaves.entries.size() == name.width) return true;
  verdict_->add(What::malformed, path_of(name), "it does not hold " + std::to_string(name.width) + " entries");
  return false;
}

bool LogCheck::read_leaf_tile(TileName const& name, PartialTiles const& partial, Leaves& leaves) {
  auto const bytes = read_tile_file(name, partial);
  if (!bytes) return unreadable(name, bytes.error()), false;
  leaves.from_tile = hashes_of_bytes(bytes.value());
  if (bytes.value().size() == name.width * LeafHash::size) return true;
  verdict_->add(What::malformed, path_of(name), "it does not hold " + std::to_string(name.width) + " hashes");
  return false;
}

/// What bundle `index` and its level 0 tile say the leaves are. What one of them cannot say is taken from the other.
void LogCheck::read_leaves(std::uint64_t index, unsigned width, PartialTiles const& partial, Leaves& leaves) {
  leaves.from_bundle.clear();
  leaves.messages.clear();
  leaves.entries.clear();
  leaves.lean.clear();
  bool const bundle_read = read_bundle({true, 0, index, width}, partial, leaves);
  bool const tile_read = read_leaf_tile({false, 0, index, width}, partial, leaves);
  // A blanked entry has no bytes to hash: the tile kept its leaf. Any other is hashed again by OpenSSL, one by one,
  // before it is said to differ.
  for (std::size_t i = 0; bundle_read && tile_read && i < width; ++i)
    if (leaves.from_bundle[i] != leaves.from_tile[i])
      leaves.from_bundle[i] = leaves.entries[i].empty() ? leaves.from_tile[i] : leaf_hash(leaves.messages[i]);
  leaves.nothing = !bundle_read && !tile_read;
  if (leaves.nothing) leaves.from_tile.assign(width, LeafHash{});
  if (!bundle_read) leaves.from_bundle = leaves.from_tile, leaves.entries.clear();
  if (!tile_read) leaves.from_tile = leaves.from_bundle;
}

/// From here on the trees differ.
void LogCheck::part_tiles() {
  if (tiles_.apart) return;
  tiles_.apart = true;
  tiles_.levels = bundles_.levels;
  tiles_.roots = bundles_.roots;
}

void LogCheck::compare_leaves(Leaves const& leaves, std::uint64_t index, unsigned width) {
  for (unsigned i = 0; i < width; ++i) {
    if (leaves.from_bundle[i] == leaves.from_tile[i]) continue;
    std::string const entry = "entry " + std::to_string(index * tile_width + i);
    part_tiles();
    bundles_.differ(path_of({false, 0, index, width}), "the hash of " + entry + " is another");
    tiles_.differ(path_of({true, 0, index, width}), entry + " has another hash");
    return;  // the file is named; one is enough
  }
}

void LogCheck::compare_tile(TileName const& tile, PartialTiles const& partial, std::vector<LeafHash> const& in_bundles,
                            std::vector<LeafHash> const& in_tiles) {
  std::string const path = path_of(tile);
  auto bytes = read_tile_file(tile, partial);
  if (!bytes) {
    verdict_->add(bytes.error().code == Code::not_found ? What::missing : What::malformed, path, line(bytes.error()));
    return;
  }
  if (bytes.value() != bytes_of_hashes(in_bundles))
    bundles_.differ(path, "its hashes are not those of what lies below");
  if (bytes.value() != bytes_of_hashes(in_tiles)) tiles_.differ(path, "its hashes are not those of what lies below");
}

/// Both trees have just completed tile `index` of `level`: up it goes.
void LogCheck::finish_tiles(unsigned level, std::uint64_t index) {
  if (level > 0) compare_tile({false, level, index, tile_width}, {}, bundles_.levels[level], of_tiles().levels[level]);
  for (Tree* tree : {&bundles_, &tiles_}) {
    if (!tree->apart) continue;
    if (tree->levels.size() == level + 1) tree->levels.emplace_back();
    tree->levels[level + 1].push_back(fold_hashes(tree->levels[level]));
    tree->levels[level].clear();
  }
  if (bundles_.levels[level + 1].size() == tile_width) finish_tiles(level + 1, index / tile_width);
}

/// The next entry of the log, before its leaf is in the trees.
void LogCheck::take_entry(Leaves const& leaves, unsigned position) {
  if (position >= leaves.entries.size()) return;
  std::string_view const entry = leaves.entries[position];
  if (entry.empty()) return entries_.hole(size_, leaves.from_tile[position]);
  if (entries_.add(size_, entry, leaves.lean[position]) == EntryCheck::Taken::whole && may_be_rotation(entry))
    keys_.take(size_, entry, bundles_.root());
}

bool LogCheck::walk_to(std::uint64_t size, PartialTiles const& partial) {
  unsigned gone_in_a_row = 0;
  Leaves leaves;
  while (size_ < size) {
    if (cancelled_ && cancelled_()) {
      verdict_->interrupted = true;
      return false;
    }
    std::uint64_t const index = size_ / tile_width;
    auto const have = static_cast<unsigned>(size_ % tile_width);
    auto const width = static_cast<unsigned>(std::min<std::uint64_t>(tile_width, size - index * tile_width));
    read_leaves(index, width, partial, leaves);
    gone_in_a_row = leaves.nothing ? gone_in_a_row + 1 : 0;
    if (gone_in_a_row > gone_in_a_row_max) return false;
    // Walked a second time, beside a writer: what was seen before must not have changed.
    for (unsigned i = 0; i < have; ++i)
      if (leaves.from_bundle[i] != bundles_.levels[0][i])
        verdict_->add(What::altered, "entry " + std::to_string(index * tile_width + i),
                      "it changed while it was verified");
    compare_leaves(leaves, index, width);
    for (unsigned i = have; i < width; ++i) {
      take_entry(leaves, i);
      bundles_.grow(leaves.from_bundle[i]);
      tiles_.grow(leaves.from_tile[i]);
      ++size_;
      if (wanted_.contains(size_)) {
        bundles_.roots[size_] = bundles_.root();
        tiles_.roots[size_] = tiles_.root();
      }
    }
    if (width == tile_width) finish_tiles(0, index);
  }
  for (unsigned level = 1; level < bundles_.levels.size(); ++level) {
    auto const width = static_cast<unsigned>(bundles_.levels[level].size());
    if (width == 0) continue;
    std::uint64_t const index = hashes_at(level, size) / tile_width;
    compare_tile({false, level, index, width}, partial, bundles_.levels[level], of_tiles().levels[level]);
  }
  return true;
}

void LogCheck::judge(Sha256 const& root, std::string const& where) {
  bool const bundles_hold = bundles_.root() == root;
  bool const tiles_hold = of_tiles().root() == root;
  tiles_are_true_ = !bundles_hold && tiles_hold;
  auto const report = [this](Tree const& tree) {
    for (Problem const& problem : tree.differences) verdict_->add(problem.what, problem.where, problem.detail);
  };
  if (bundles_hold)
    report(bundles_);
  else if (tiles_hold)
    report(tiles_);
  else {
    report(bundles_);
    report(tiles_);
    verdict_->add(What::altered, where,
                  "the entries hash to " + base64(bundles_.root().bytes) + ", not to its root " + base64(root.bytes));
  }
  bundles_.differences.clear();
  tiles_.differences.clear();
}

void LogCheck::tell_of_entries(bool beside_writer) {
  Named& named = entries_.named();
  of_entries_.checkpoint_size = size_;
  named.erasures.judge(named.session_open && !beside_writer, beside_writer, of_entries_);
  verdict_->erased = std::move(of_entries_.erased);
  verdict_->erased_not_listed = of_entries_.erased_not_listed;
  verdict_->not_checked.insert(verdict_->not_checked.end(), of_entries_.not_checked.begin(),
                               of_entries_.not_checked.end());
  for (Problem const& problem : of_entries_.problems) verdict_->add(problem.what, problem.where, problem.detail);
  verdict_->problems_not_listed += of_entries_.problems_not_listed;
  of_entries_ = {};
}

std::optional<Sha256> LogCheck::root_at(std::uint64_t size) const {
  if (size == 0) return sha256({});
  auto const& roots = tiles_are_true_ ? tiles_.roots : bundles_.roots;
  auto const found = roots.find(size);
  return found == roots.end() ? std::nullopt : std::optional{found->second};
}

}  // namespace impound::evidence
