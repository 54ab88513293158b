#include "fetchers/torrents/worker/disk/piece_hashing.h"

#include <algorithm>

namespace impound::fetchers {

PieceHashing::PieceHashing(HeldBudget& budget, bool v1, std::uint64_t v2_size)
    : budget_(budget), v1_(v1), v2_size_(v2_size), blocks_((v2_size + block_bytes - 1) / block_bytes) {}

void PieceHashing::add(std::uint64_t start, Bytes bytes, InOrder const& in_order) {
  if (auto const index = static_cast<std::size_t>(start / block_bytes);
      start % block_bytes == 0 && index < blocks_.size()) {
    doubtful_ |= blocks_[index].has_value();
    blocks_[index] = sha256(bytes.first(
        static_cast<std::size_t>(std::min({static_cast<std::uint64_t>(bytes.size()), block_bytes, v2_size_ - start}))));
  }
  if (start < next_ || held_.contains(start)) {
    doubtful_ = true;
    return;
  }
  if (start > next_) {
    if (budget_.bytes + bytes.size() > budget_.bytes_max) return;
    budget_.bytes += bytes.size();
    held_.emplace(start, std::vector<std::byte>{bytes.begin(), bytes.end()});
    return;
  }
  take(start, bytes, in_order);
  for (auto first = held_.begin(); first != held_.end() && first->first == next_; first = held_.begin()) {
    take(next_, first->second, in_order);
    budget_.bytes -= first->second.size();
    held_.erase(first);
  }
}

void PieceHashing::take(std::uint64_t start, Bytes bytes, InOrder const& in_order) {
  if (v1_) stream_.add(bytes);
  next_ = start + bytes.size();
  if (!doubtful_ && in_order) in_order(start, bytes);
}

std::optional<PieceHashes> PieceHashing::finish(std::uint64_t size) {
  release();
  if (doubtful_ || (v1_ && next_ != size)) return std::nullopt;
  PieceHashes hashes;
  for (auto const& one : blocks_) {
    if (!one) return std::nullopt;
    hashes.blocks.push_back(*one);
  }
  if (v1_) hashes.v1 = stream_.finish();
  return hashes;
}

std::optional<Sha256> PieceHashing::block(std::size_t index) const {
  return doubtful_ || index >= blocks_.size() ? std::nullopt : blocks_[index];
}

void PieceHashing::release() {
  for (auto const& [start, bytes] : held_) budget_.bytes -= bytes.size();
  held_.clear();
}

}  // namespace impound::fetchers
