#include "fetchers/torrents/worker/disk/file_frontier.h"

namespace impound::fetchers {

void FileFrontier::try_bytes(std::size_t piece, Bytes bytes) {
  if (digest_) return;
  kept_.try_emplace(piece, now_);
  add(bytes);
}

void FileFrontier::add(Bytes bytes) {
  now_.stream.add(bytes);
  now_.next += bytes.size();
}

void FileFrontier::piece_failed(std::size_t piece) {
  auto const found = kept_.find(piece);
  if (found == kept_.end()) return;
  now_ = found->second;
  kept_.erase(found, kept_.end());  // a file's later pieces were hashed behind it
}

std::optional<Sha256> FileFrontier::digest(std::uint64_t size) {
  if (!digest_ && now_.next == size && kept_.empty()) digest_ = now_.stream.finish();
  return digest_;
}

}  // namespace impound::fetchers
