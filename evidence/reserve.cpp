#include "evidence/reserve.h"

#include <algorithm>
#include <vector>

namespace impound::evidence {

namespace {

constexpr std::string_view place = "reserve";
constexpr std::uint64_t reserve_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t block_bytes = 1024 * 1024;

}  // namespace

Result<void> make_reserve(Disk& vault) {
  IMPOUND_TRY(free, vault.free_bytes());
  std::uint64_t const bytes = std::min(reserve_bytes_max, free / 16);
  auto present = vault.facts_of(place);
  if (present && present.value().size > 0) return ok();
  if (bytes < 64 * 1024) return ok();
  IMPOUND_TRY(file, DiskFile::open(vault, place, Open::write_or_create));
  std::vector<std::byte> const zeros(block_bytes);
  for (std::uint64_t at = 0; at < bytes; at += block_bytes) {
    std::size_t const count = static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, bytes - at));
    // Written, not only allocated: on a copy-on-write file system nothing else holds the room.
    if (auto written = file.write(at, Bytes{zeros}.first(count)); !written) {
      file.reset();
      release_reserve(vault);
      if (written.error().code == Code::no_space) return ok();
      return std::move(written).error();
    }
  }
  return ok();
}

void release_reserve(Disk& vault) { (void)vault.remove(place); }

}  // namespace impound::evidence
