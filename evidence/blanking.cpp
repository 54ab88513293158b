#include "evidence/blanking.h"

#include <algorithm>
#include <string>

#include "evidence/formats/hex.h"
#include "evidence/formats/tlog_tile.h"

namespace impound::evidence {

namespace {

using Leaves = std::map<std::uint64_t, LeafHash>;

/// Every entry that is there must hash to the tile's leaf: bytes gone bad must not be carried into a new bundle.
Result<std::string> without(std::string const& bundle, std::string const& tile, TileName const& name,
                            Leaves const& leaves, std::size_t& blanked) {
  std::string made;
  IMPOUND_CHECK(each_in_bundle(bundle, name.width, [&](unsigned position, std::string_view entry) -> Result<void> {
    std::string_view const leaf = std::string_view(tile).substr(position * LeafHash::size, LeafHash::size);
    auto const wanted = leaves.find(name.index * tile_width + position);
    bool const differs = !entry.empty() && text_of(leaf_hash(bytes_of(entry)).bytes) != leaf;
    if (differs || (wanted != leaves.end() && text_of(wanted->second.bytes) != leaf))
      return Error{Code::damaged, "an entry, or what is to be erased, does not have the hash of its leaf", {}, {}};
    bool const blank = wanted != leaves.end();
    if (blank && !entry.empty()) ++blanked;
    append_to_bundle(made, blank ? std::string_view{} : entry);
    return ok();
  }));
  return made;
}

Result<std::size_t> blank_in_bundle(Disk& vault, TileName const& name, Leaves const& leaves) {
  std::string const path = "log/" + tile_path(name);
  std::string const draft = path + ".tmp";
  if (auto gone = vault.remove(draft); !gone && gone.error().code != Code::not_found) return std::move(gone).error();
  IMPOUND_TRY(bundle, read_whole(vault, path, bundle_bytes_max));
  std::string const tile_file = "log/" + tile_path({false, 0, name.index, name.width});
  IMPOUND_TRY(tile, read_whole(vault, tile_file, tile_bytes));
  if (tile.size() != std::size_t{name.width} * LeafHash::size)
    return Error{Code::damaged, "a tile does not have the size its name says", tile_file, {}};
  std::size_t blanked = 0;
  auto made = without(bundle, tile, name, leaves, blanked);
  if (!made) return Error{Code::damaged, made.error().what, path, "impound verify names what is wrong"};
  if (blanked > 0) {
    {
      IMPOUND_TRY(file, DiskFile::open(vault, draft, Open::create));
      IMPOUND_CHECK(file.write(0, bytes_of(made.value())));
      IMPOUND_CHECK(file.sync());
    }
    IMPOUND_CHECK(vault.rename(draft, path, Replace::yes));
  }
  IMPOUND_CHECK(vault.sync_folder(folder_of(path)));
  return blanked;
}

}  // namespace

Result<std::size_t> blank_entries(Disk& vault, std::uint64_t log_size, Leaves const& leaves) {
  std::size_t blanked = 0;
  for (auto next = leaves.begin(); next != leaves.end();) {
    std::uint64_t const bundle = next->first / tile_width;
    auto const width = static_cast<unsigned>(std::min<std::uint64_t>(tile_width, log_size - bundle * tile_width));
    IMPOUND_TRY(count, blank_in_bundle(vault, {true, 0, bundle, width}, leaves));
    blanked += count;
    next = leaves.lower_bound((bundle + 1) * tile_width);
  }
  return blanked;
}

}  // namespace impound::evidence
