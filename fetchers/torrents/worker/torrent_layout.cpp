#include "fetchers/torrents/worker/torrent_layout.h"

#include <span>
#include <utility>
#include <vector>

#include "evidence/formats/digests.h"

// libtorrent's shared object calls this one instead of its own, as the executable's symbols come first. Its own
// resolves links, and is cubic in 2.0.8: two thousand of them, each through the next, take it more than a minute, and
// it runs on metadata from peers before anybody can judge that. Nobody here asks where a link leads.
void lt::file_storage::sanitize_symlinks() {}

namespace impound::fetchers {

bool acceptable(lt::file_storage const& files, std::uint64_t files_max) {
  return static_cast<std::uint64_t>(files.num_files()) <= 2 * files_max;
}

PieceMap map_of(lt::file_storage const& files) {
  std::vector<StoredFile> stored;
  stored.reserve(static_cast<std::size_t>(files.num_files()));
  for (auto const index : files.file_range())
    stored.push_back({static_cast<std::uint64_t>(files.file_size(index)), files.pad_file_at(index)});
  return PieceMap{static_cast<std::uint64_t>(files.piece_length()), std::move(stored)};
}

Sha256 identity_of(lt::storage_params const& params) {
  Sha256Stream stream;
  auto const add = [&stream](auto const& value) { stream.add(std::as_bytes(std::span{&value, 1})); };
  stream.add(std::as_bytes(std::span{params.info_hash.data(), static_cast<std::size_t>(params.info_hash.size())}));
  add(params.files.piece_length());
  for (auto const index : params.files.file_range()) {
    add(params.files.file_size(index));
    add(params.files.pad_file_at(index));
  }
  return stream.finish();
}

}  // namespace impound::fetchers
