#include "fetchers/torrents/worker/disk/piece_map.h"

#include <algorithm>
#include <utility>

namespace impound::fetchers {

PieceMap::PieceMap(std::uint64_t piece_length, std::vector<StoredFile> files)
    : piece_length_(std::max<std::uint64_t>(piece_length, 1)), files_(std::move(files)) {
  begins_.reserve(files_.size());
  for (auto const& file : files_) {
    begins_.push_back(total_);
    total_ += file.size;
  }
}

std::uint64_t PieceMap::piece_size(std::size_t piece) const {
  std::uint64_t const begin = piece * piece_length_;
  return begin >= total_ ? 0 : std::min(piece_length_, total_ - begin);
}

std::uint64_t PieceMap::v2_size(std::size_t piece) const {
  auto const all = spans(piece, 0, piece_length_);
  return all.empty() || all.front().pad ? 0 : all.front().size;
}

std::vector<PieceSpan> PieceMap::spans(std::size_t piece, std::uint64_t start, std::uint64_t size) const {
  std::vector<PieceSpan> found;
  std::uint64_t const whole = piece_size(piece);
  if (start >= whole) return found;
  std::uint64_t at = piece * piece_length_ + start;
  std::uint64_t const end = at + std::min(size, whole - start);
  auto const after = std::upper_bound(begins_.begin(), begins_.end(), at);
  for (auto file = static_cast<std::size_t>(after - begins_.begin()) - 1; at < end; ++file) {
    std::uint64_t const offset = at - begins_[file];
    std::uint64_t const count = std::min(files_[file].size - offset, end - at);
    if (count == 0) continue;
    found.push_back({file, offset, count, files_[file].pad});
    at += count;
  }
  return found;
}

}  // namespace impound::fetchers
