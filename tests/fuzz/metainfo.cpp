// corpus: torrents
// read_torrent: what is taken is bounded, names no way out of its folder, and its info dict is taken alone and means
// the same.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/torrents/metainfo.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  MetainfoLimits const limits;
  auto const torrent = read_torrent({reinterpret_cast<char const*>(bytes), size}, limits);
  if (!torrent) return 0;
  impound::must(torrent.value().info.size() <= size && torrent.value().files.size() <= size);
  for (TorrentFile const& file : torrent.value().files)
    for (std::string const& part : file.components) impound::must(part != ".." && part.find('/') == std::string::npos);
  auto const alone = read_info_dict(torrent.value().info, limits);
  impound::must(alone && alone.value().hashes == torrent.value().hashes &&
                alone.value().total_bytes == torrent.value().total_bytes);
  return 0;
}
