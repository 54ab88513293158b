#include "fetchers/torrents/payload_check.h"

#include <algorithm>
#include <array>
#include <utility>

#include "evidence/formats/hex.h"

namespace impound::fetchers {

namespace {

constexpr std::uint64_t block_bytes = 16'384;
constexpr std::array<std::byte, block_bytes> zeros{};

Sha256 parent(Sha256 const& left, Sha256 const& right) {
  std::array<std::byte, 2 * Sha256::size> both;
  std::copy(left.bytes.begin(), left.bytes.end(), both.begin());
  std::copy(right.bytes.begin(), right.bytes.end(), both.begin() + Sha256::size);
  return sha256(both);
}

}  // namespace

void PiecesRoot::add(Bytes bytes) {
  while (!bytes.empty()) {
    auto const part = bytes.first(std::min<std::uint64_t>(bytes.size(), block_bytes - in_block_));
    block_.add(part);
    in_block_ += part.size();
    if (in_block_ == block_bytes) add_leaf();
    bytes = bytes.subspan(part.size());
  }
}

void PiecesRoot::add_leaf() {
  Sha256 node = block_.finish();
  in_block_ = 0;
  for (std::uint64_t trees = leaves_; trees % 2 != 0; trees /= 2) {
    node = parent(whole_.back(), node);
    whole_.pop_back();
  }
  whole_.push_back(node);
  ++leaves_;
}

Sha256 PiecesRoot::finish(std::uint64_t covers) {
  if (in_block_ > 0) add_leaf();
  Sha256 pad{};  // a leaf behind the end of a file is zero, not the hash of zeros
  std::uint64_t left = leaves_;
  std::uint64_t covered = block_bytes;
  Sha256 node = whole_.back();
  whole_.pop_back();
  for (; left % 2 == 0; left /= 2, covered *= 2) pad = parent(pad, pad);
  for (; left > 1; left = (left + 1) / 2, covered *= 2) {
    // `node` is the last, perhaps padded, tree of this level: beside the one to its left, or else beside padding.
    if (left % 2 == 0) {
      node = parent(whole_.back(), node);
      whole_.pop_back();
    } else {
      node = parent(node, pad);
    }
    pad = parent(pad, pad);
  }
  for (; covered < covers; covered *= 2) {
    node = parent(node, pad);
    pad = parent(pad, pad);
  }
  *this = {};
  return node;
}

Result<PayloadCheck> PayloadCheck::of(Metainfo const& torrent) {
  PayloadCheck check{torrent};
  if (!check.by_pieces()) return check;
  IMPOUND_TRY(hashes, piece_hashes(torrent));
  check.piece_hashes_ = std::move(hashes);
  return check;
}

PayloadCheck::PayloadCheck(Metainfo const& torrent)
    : torrent_(&torrent), files_(torrent.files.size()), zeros_left_(torrent.total_bytes + (std::uint64_t{1} << 30)) {}

void PayloadCheck::begin_file() { in_file_ = 0; }

void PayloadCheck::add(Bytes block) {
  // What is longer than the torrent says must not shift the pieces behind it; end_file() tells.
  std::uint64_t const size = torrent_->files[file_].size;
  auto const wanted = block.first(std::min<std::uint64_t>(block.size(), size - std::min(size, in_file_)));
  in_file_ += block.size();
  sha256_.add(block);
  if (by_pieces())
    take(wanted);
  else
    root_.add(wanted);
}

void PayloadCheck::leap(std::uint64_t bytes) {
  in_file_ += bytes;
  if (by_pieces()) skip_bytes(bytes, false);
}

void PayloadCheck::end_file() {
  TorrentFile const& expected = torrent_->files[file_];
  CheckedFile& file = files_[file_];
  file.sha256 = sha256_.finish();
  file.there = in_file_ == expected.size;
  if (by_pieces()) {
    if (in_file_ < expected.size) skip_bytes(expected.size - in_file_, false);
  } else if (std::min(in_file_, expected.size) > 0) {
    file.wrong = root_.finish() != expected.pieces_root;
  }
  ++file_;
}

void PayloadCheck::skip_file() {
  TorrentFile const& file = torrent_->files[file_];
  if (by_pieces()) skip_bytes(file.size, file.pad);
  ++file_;
}

/// Bytes that are not there, or padding. Whole pieces of them have no file that asks.
void PayloadCheck::skip_bytes(std::uint64_t count, bool zero) {
  std::uint64_t const length = torrent_->piece_length;
  while (count > 0) {
    if (in_piece_ == 0 && count >= length) {
      piece_number_ += count / length;
      count %= length;
      continue;
    }
    if (in_piece_ == 0) first_in_piece_ = file_;
    std::uint64_t const part = std::min(count, length - in_piece_);
    bool const hashed = zero && zeros_left_ >= part;
    if (hashed) {
      zeros_left_ -= part;
      for (std::uint64_t left = part; left > 0;) {
        auto const some = std::min(left, block_bytes);
        take(Bytes{zeros}.first(some));
        left -= some;
      }
    } else {
      piece_known_ = false;
      in_piece_ += part;
      if (in_piece_ == length) end_piece();
    }
    count -= part;
  }
}

void PayloadCheck::take(Bytes block) {
  while (!block.empty()) {
    auto const part = block.first(std::min<std::uint64_t>(block.size(), torrent_->piece_length - in_piece_));
    if (in_piece_ == 0) first_in_piece_ = file_;
    if (piece_known_) piece_.add(part);
    in_piece_ += part.size();
    if (in_piece_ == torrent_->piece_length) end_piece();
    block = block.subspan(part.size());
  }
}

void PayloadCheck::end_piece() {
  Sha1 const digest = piece_.finish();
  auto const expected = bytes_of(piece_hashes_).subspan(piece_number_ * Sha1::size, Sha1::size);
  bool const right = std::equal(expected.begin(), expected.end(), digest.bytes.begin());
  for (std::size_t i = first_in_piece_; i <= file_ && i < files_.size(); ++i) {
    if (torrent_->files[i].size == 0) continue;
    if (!piece_known_)
      ++files_[i].pieces_unchecked;
    else if (!right)
      files_[i].wrong = true;
  }
  ++piece_number_;
  in_piece_ = 0;
  piece_known_ = true;
}

std::vector<CheckedFile> const& PayloadCheck::finish() {
  if (in_piece_ > 0) end_piece();
  return files_;
}

}  // namespace impound::fetchers
