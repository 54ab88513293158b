// C2SP tlog-tiles: where the hashes and the entries of a log lie, and a builder that makes the tiles as leaves pass by.
//
//     tile/<L>/<N>[.p/<W>]        256 (or W) hashes of 32 bytes, each over 256^L leaves
//     tile/entries/<N>[.p/<W>]    256 (or W) entries, each behind its length as u16 big endian
//     <N> in groups of three digits, all but the last with an x: 1234067 is x001/x234/067
//
// Paths here begin with "tile/". Pure functions, any thread; a TileBuilder belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/formats/merkle.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound {

inline constexpr unsigned tile_width = 256;
inline constexpr std::size_t tile_bytes = tile_width * 32;
inline constexpr std::size_t entry_bytes_max = 65'535;
inline constexpr std::size_t bundle_bytes_max = tile_width * (entry_bytes_max + 2);
inline constexpr unsigned tile_level_max = 7;  // 256^8 leaves are all that u64 counts

/// A hash tile, or (entries) a bundle, which is of level 0.
struct TileName {
  bool entries = false;
  unsigned level = 0;
  std::uint64_t index = 0;
  unsigned width = tile_width;  // 1..255: partial
  bool operator==(TileName const&) const = default;
};

std::string tile_path(TileName const& tile);
/// Reads exactly what tile_path writes.
std::optional<TileName> tile_from_path(std::string_view path);

/// Hashes of `level` in a log of `size` entries.
std::uint64_t hashes_at(unsigned level, std::uint64_t size);
/// The partial tiles of a log of `size` entries: one a level at most, the partial bundle first.
std::vector<TileName> partial_tiles(std::uint64_t size);
/// The tile that holds hash `index` of `level`, as wide as a log of `size` entries has it.
TileName tile_of(unsigned level, std::uint64_t hash_index, std::uint64_t size);
/// True when a log of `size` entries has exactly this tile or bundle.
bool tile_belongs(TileName const& tile, std::uint64_t size);

/// Hashes of any level (of two, not of 256) from the tiles that `read` gives, each read once: what proofs are made
/// from.
using ReadTile = std::function<Result<std::string>(TileName const&)>;
StoredHashes stored_in_tiles(std::uint64_t size, ReadTile read);

/// The root of the log whose unfinished tiles hold the hashes `levels`, level 0 first. A tile that is full and has not
/// gone up yet counts as well.
Sha256 root_of_unfinished(std::span<std::vector<LeafHash> const> levels);

/// Keeps the unfinished tile of each level, at most 8 × 8 KiB, whatever the size of the log.
class TileBuilder {
 public:
  TileBuilder() = default;
  /// Goes on from a log of `size` entries whose partial tiles `read` gives.
  static Result<TileBuilder> resume(std::uint64_t size, ReadTile const& read);

  /// Gets each finished tile, and from partial() the unfinished ones.
  using Emit = std::function<Result<void>(TileName const&, Bytes)>;
  Result<void> add(LeafHash const& leaf, Emit const& emit);
  Result<void> partial(Emit const& emit) const;

  std::uint64_t size() const { return size_; }
  Sha256 root() const { return root_of_unfinished(levels_); }
  /// The leaf hashes of the unfinished level 0 tile.
  std::span<LeafHash const> last_leaves() const;

 private:
  Result<void> add_at(unsigned level, LeafHash const& hash, Emit const& emit);

  std::vector<std::vector<LeafHash>> levels_;
  std::uint64_t size_ = 0;
};

/// Adds one entry to a bundle. The entry has at most entry_bytes_max bytes: must().
void append_to_bundle(std::string& bundle, std::string_view entry);
/// Calls `each` with every entry of a bundle; not exactly `width` of them is Code::damaged.
Result<void> each_in_bundle(std::string_view bundle, unsigned width,
                            std::function<Result<void>(unsigned position, std::string_view entry)> const& each);

}  // namespace impound
