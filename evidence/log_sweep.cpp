#include "evidence/log_sweep.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "evidence/formats/tlog_tile.h"
#include "evidence/journal.h"

namespace impound::evidence {

namespace {

constexpr std::string_view torn_folder = "staging/torn";
/// Tiles of one level that one publish can write: the journal bounds its entries.
constexpr std::uint64_t tiles_beyond_max = 2 * journal_file_entries_max / tile_width + 2;

bool absent(Error const& error) { return error.code == Code::not_found; }

/// Takes a name away that a log of the present size does not have: for good, or into staging/torn.
class Sweeper {
 public:
  Sweeper(Disk& vault, std::uint64_t size, Sweep how) : vault_(vault), size_(size), how_(how) {}

  Result<void> sweep() {
    IMPOUND_CHECK(drop_draft("log/checkpoint.tmp"));
    IMPOUND_CHECK(sweep_level(true, 0));
    for (unsigned level = 0; level <= tile_level_max; ++level) IMPOUND_CHECK(sweep_level(false, level));
    return ok();
  }

 private:
  /// Looks into the few folders where a publish from this size on, or up to it, may have left something.
  Result<void> sweep_level(bool entries, unsigned level) {
    std::uint64_t const last = hashes_at(level, size_) / tile_width;
    std::set<std::string, std::less<>> folders;
    for (std::uint64_t index = last - std::min(last, tiles_beyond_max); index <= last + tiles_beyond_max; ++index)
      folders.emplace(folder_of("log/" + tile_path({entries, level, index, tile_width})));
    for (std::string const& folder : folders) IMPOUND_CHECK(sweep_folder(folder));
    return ok();
  }

  Result<void> sweep_folder(std::string const& folder) {
    auto listed = vault_.list(folder);
    if (!listed) return absent(listed.error()) ? Result<void>(ok()) : Result<void>(std::move(listed).error());
    for (FolderEntry const& entry : listed.value()) {
      std::string const path = folder + "/" + entry.name;
      if (entry.type == FileFacts::Type::folder) {
        if (!entry.name.ends_with(".p")) continue;
        IMPOUND_CHECK(sweep_folder(path));
        IMPOUND_TRY(left, vault_.list(path, 10'000));
        if (left.empty()) IMPOUND_CHECK(vault_.remove_folder(path));
        continue;
      }
      std::string_view name = std::string_view(path).substr(4);  // without "log/"
      bool const draft = name.ends_with(".tmp");
      if (draft) name.remove_suffix(4);
      auto const tile = tile_from_path(name);
      // A name that is no tile's is not ours to judge: verify names it.
      if (tile && draft) IMPOUND_CHECK(drop_draft(path));
      if (tile && !draft && !tile_belongs(*tile, size_)) IMPOUND_CHECK(drop(path));
    }
    return ok();
  }

  Result<void> drop_draft(std::string const& path) {
    auto gone = vault_.remove(path);
    if (!gone && !absent(gone.error())) return std::move(gone).error();
    return ok();
  }

  Result<void> drop(std::string const& path) {
    if (how_ == Sweep::away) return vault_.remove(path);
    IMPOUND_CHECK(make_folders(vault_, torn_folder));
    std::string name = path;
    std::replace(name.begin(), name.end(), '/', '-');
    return vault_.rename(path, std::string(torn_folder) + "/" + name, Replace::yes);
  }

  Disk& vault_;
  std::uint64_t size_;
  Sweep how_;
};

}  // namespace

Result<void> sweep_log(Disk& vault, std::uint64_t size, Sweep how) { return Sweeper(vault, size, how).sweep(); }

}  // namespace impound::evidence
