#include "evidence/formats/tlog_tile.h"

#include <algorithm>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/formats/text_lines.h"
#include "evidence/values/must.h"

namespace impound {

namespace {

constexpr unsigned bits_a_level = 8;

/// Groups of three digits, the most significant first, all but the last behind an x.
void add_index(std::string& path, std::uint64_t index, bool last = true) {
  if (index >= 1000) add_index(path, index / 1000, false);
  if (!last) path += 'x';
  for (std::uint64_t digit = 100; digit > 0; digit /= 10) path += static_cast<char>('0' + index / digit % 10);
  if (!last) path += '/';
}

std::optional<std::uint64_t> index_from_path(std::string_view path) {
  std::uint64_t index = 0;
  for (;;) {
    bool const more = path.starts_with('x');
    if (more) path.remove_prefix(1);
    if (path.size() < 3 || index > UINT64_MAX / 1000 - 1) return std::nullopt;
    for (char const c : path.substr(0, 3)) {
      if (c < '0' || c > '9') return std::nullopt;
      index = index * 10 + static_cast<std::uint64_t>(c - '0');
    }
    path.remove_prefix(3);
    if (!more) return path.empty() ? std::optional{index} : std::nullopt;
    if (index == 0 || !path.starts_with('/')) return std::nullopt;  // x000 would be a second spelling
    path.remove_prefix(1);
  }
}

LeafHash hash_at(std::string_view tile, std::size_t position) {
  LeafHash hash;
  Bytes const bytes = bytes_of(tile.substr(position * LeafHash::size, LeafHash::size));
  std::copy(bytes.begin(), bytes.end(), hash.bytes.begin());
  return hash;
}

/// The hash over 2^levels hashes of a tile.
LeafHash fold(std::string_view tile, std::size_t first, unsigned levels) {
  if (levels == 0) return hash_at(tile, first);
  return node_hash(fold(tile, first, levels - 1), fold(tile, first + (std::size_t{1} << (levels - 1)), levels - 1));
}

Error wrong_size(TileName const& tile) {
  return Error{Code::damaged, "a tile does not have the size its name says", "log/" + tile_path(tile), {}};
}

std::string bytes_from(std::vector<LeafHash> const& hashes) {
  std::string bytes;
  bytes.reserve(hashes.size() * LeafHash::size);
  for (LeafHash const& hash : hashes) bytes += text_of(hash.bytes);
  return bytes;
}

}  // namespace

std::string tile_path(TileName const& tile) {
  std::string path = std::string("tile/") + (tile.entries ? "entries" : std::to_string(tile.level)) + "/";
  add_index(path, tile.index);
  if (tile.width != tile_width) path += ".p/" + std::to_string(tile.width);
  return path;
}

std::optional<TileName> tile_from_path(std::string_view path) {
  if (!path.starts_with("tile/")) return std::nullopt;
  path.remove_prefix(5);
  TileName tile;
  auto const slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::string_view const level = path.substr(0, slash);
  tile.entries = level == "entries";
  if (!tile.entries) {
    auto const number = decimal(level, tile_level_max);
    if (!number) return std::nullopt;
    tile.level = static_cast<unsigned>(*number);
  }
  path.remove_prefix(slash + 1);
  if (auto const partial = path.find(".p/"); partial != std::string_view::npos) {
    auto const width = decimal(path.substr(partial + 3), tile_width - 1);
    if (!width || *width == 0) return std::nullopt;
    tile.width = static_cast<unsigned>(*width);
    path = path.substr(0, partial);
  }
  auto const index = index_from_path(path);
  if (!index) return std::nullopt;
  tile.index = *index;
  return tile;
}

std::uint64_t hashes_at(unsigned level, std::uint64_t size) {
  return level > tile_level_max ? 0 : size >> (bits_a_level * level);
}

std::vector<TileName> partial_tiles(std::uint64_t size) {
  std::vector<TileName> tiles;
  for (unsigned level = 0; level <= tile_level_max; ++level) {
    std::uint64_t const hashes = hashes_at(level, size);
    auto const width = static_cast<unsigned>(hashes % tile_width);
    if (width == 0) continue;
    if (level == 0) tiles.push_back({true, 0, hashes / tile_width, width});
    tiles.push_back({false, level, hashes / tile_width, width});
  }
  return tiles;
}

TileName tile_of(unsigned level, std::uint64_t hash_index, std::uint64_t size) {
  std::uint64_t const hashes = hashes_at(level, size);
  must(hash_index < hashes);
  std::uint64_t const index = hash_index / tile_width;
  bool const full = index < hashes / tile_width;
  return {false, level, index, full ? tile_width : static_cast<unsigned>(hashes % tile_width)};
}

bool tile_belongs(TileName const& tile, std::uint64_t size) {
  std::uint64_t const hashes = hashes_at(tile.level, size);
  if (tile.width == tile_width) return tile.index < hashes / tile_width;
  return tile.index == hashes / tile_width && tile.width == hashes % tile_width;
}

StoredHashes stored_in_tiles(std::uint64_t size, ReadTile read) {
  return [size, read = std::move(read)](std::span<TreeNode const> wanted, std::span<LeafHash> into) -> Result<void> {
    TileName held;
    std::string tile;  // of `held`; a proof's nodes lie side by side in theirs
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      unsigned const tile_level = wanted[i].level / bits_a_level;
      unsigned const within = wanted[i].level % bits_a_level;
      std::uint64_t const first = wanted[i].index << within;
      if (tile_level > tile_level_max || first + (std::uint64_t{1} << within) > hashes_at(tile_level, size))
        return Error{Code::damaged, "a hash beyond the end of the log is asked for", {}, {}};
      TileName const name = tile_of(tile_level, first, size);
      if (tile.empty() || name != held) {
        IMPOUND_TRY(bytes, read(name));
        if (bytes.size() != std::size_t{name.width} * LeafHash::size) return wrong_size(name);
        tile = std::move(bytes);
        held = name;
      }
      into[i] = fold(tile, first % tile_width, within);
    }
    return ok();
  };
}

Sha256 root_of_unfinished(std::span<std::vector<LeafHash> const> levels) {
  // The hashes of all unfinished tiles, highest level first, are complete subtrees from left to right: each level's are
  // folded into the powers of two they hold, then all are joined from the right.
  std::vector<LeafHash> peaks;
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    std::vector<LeafHash> hashes = *level;
    std::span<LeafHash> rest(hashes);
    for (std::size_t width = tile_width; width > 0; width /= 2) {
      if ((level->size() & width) == 0) continue;
      peaks.push_back(fold_hashes(rest.first(width)));
      rest = rest.subspan(width);
    }
  }
  if (peaks.empty()) return empty_root();
  LeafHash hash = peaks.back();
  for (auto left = peaks.rbegin() + 1; left != peaks.rend(); ++left) hash = node_hash(*left, hash);
  return as_root(hash);
}

Result<TileBuilder> TileBuilder::resume(std::uint64_t size, ReadTile const& read) {
  TileBuilder builder;
  builder.size_ = size;
  for (TileName const& name : partial_tiles(size)) {
    if (name.entries) continue;
    IMPOUND_TRY(tile, read(name));
    if (tile.size() != std::size_t{name.width} * LeafHash::size) return wrong_size(name);
    builder.levels_.resize(std::max<std::size_t>(builder.levels_.size(), name.level + std::size_t{1}));
    for (std::size_t i = 0; i < name.width; ++i) builder.levels_[name.level].push_back(hash_at(tile, i));
  }
  return builder;
}

Result<void> TileBuilder::add(LeafHash const& leaf, Emit const& emit) {
  IMPOUND_CHECK(add_at(0, leaf, emit));
  return ok();
}

Result<void> TileBuilder::add_at(unsigned level, LeafHash const& hash, Emit const& emit) {
  if (level == 0) ++size_;
  if (levels_.size() <= level) levels_.resize(level + std::size_t{1});
  auto& hashes = levels_[level];
  hashes.push_back(hash);
  if (hashes.size() < tile_width) return ok();
  std::string const tile = bytes_from(hashes);
  LeafHash const above = fold_hashes(hashes);
  hashes.clear();
  IMPOUND_CHECK(emit({false, level, hashes_at(level, size_) / tile_width - 1, tile_width}, bytes_of(tile)));
  return add_at(level + 1, above, emit);
}

Result<void> TileBuilder::partial(Emit const& emit) const {
  for (TileName const& name : partial_tiles(size_))
    if (!name.entries) IMPOUND_CHECK(emit(name, bytes_of(bytes_from(levels_[name.level]))));
  return ok();
}

std::span<LeafHash const> TileBuilder::last_leaves() const {
  return levels_.empty() ? std::span<LeafHash const>{} : std::span<LeafHash const>{levels_.front()};
}

void append_to_bundle(std::string& bundle, std::string_view entry) {
  must(entry.size() <= entry_bytes_max);
  bundle.push_back(static_cast<char>(entry.size() >> 8));
  bundle.push_back(static_cast<char>(entry.size() & 0xff));
  bundle += entry;
}

Result<void> each_in_bundle(std::string_view bundle, unsigned width,
                            std::function<Result<void>(unsigned, std::string_view)> const& each) {
  auto const damaged = [](std::string what) { return Error{Code::damaged, std::move(what), {}, {}}; };
  for (unsigned position = 0; position < width; ++position) {
    if (bundle.size() < 2) return damaged("the bundle ends before entry " + std::to_string(position) + " of it");
    std::size_t const length =
        static_cast<std::size_t>(static_cast<unsigned char>(bundle[0])) << 8 | static_cast<unsigned char>(bundle[1]);
    if (bundle.size() - 2 < length) return damaged("entry " + std::to_string(position) + " of the bundle is cut off");
    IMPOUND_CHECK(each(position, bundle.substr(2, length)));
    bundle.remove_prefix(2 + length);
  }
  if (!bundle.empty()) return damaged("bytes behind the last entry of the bundle");
  return ok();
}

}  // namespace impound
