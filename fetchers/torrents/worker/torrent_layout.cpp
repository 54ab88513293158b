#include "fetchers/torrents/worker/torrent_layout.h"

#include <span>
#include <utility>
#include <vector>

#include "evidence/formats/digests.h"

namespace impound::fetchers {

bool acceptable(lt::file_storage const& files, std::uint64_t files_max) {
  if (static_cast<std::uint64_t>(files.num_files()) > 2 * files_max) return false;
  for (auto const index : files.file_range()) {
    if (files.file_flags(index) & lt::file_storage::flag_symlink) return false;
  }
  return true;
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
