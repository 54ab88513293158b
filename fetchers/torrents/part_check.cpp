#include "fetchers/torrents/part_check.h"

#include <algorithm>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/payload_check.h"
#include "fetchers/torrents/piece_layers.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t read_bytes = 256u << 10;

void append(std::vector<ByteRange>& ranges, ByteRange part) {
  if (!ranges.empty() && ranges.back().to == part.from)
    ranges.back().to = part.to;
  else
    ranges.push_back(part);
}

}  // namespace

PartCheck::PartCheck(Metainfo const& torrent) : torrent_(&torrent), pieces_(piece_ranges(torrent)) {
  std::uint64_t at = 0;
  for (TorrentFile const& file : torrent.files) {
    begins_.push_back(at);
    at += file.size;
  }
  begins_.push_back(at);
}

Result<PartCheck> PartCheck::of(Metainfo const& torrent) {
  PartCheck check{torrent};
  if (!torrent.hashes.v1) return check;
  IMPOUND_TRY(hashes, piece_hashes(torrent));
  check.piece_hashes_ = std::move(hashes);
  return check;
}

/// A file no longer than a piece has no layer: its root alone is known, which says nothing of a part.
std::uint64_t PartCheck::layer_size(std::size_t file) const {
  auto const& pieces = pieces_[file];
  bool const needs = !torrent_->hashes.v1 && pieces && pieces->last > pieces->first && !torrent_->files[file].pad;
  return needs ? pieces->last - pieces->first + 1 : 0;
}

std::vector<ByteRange> PartCheck::verified(std::size_t file, ReadFile const& read,
                                           std::span<Sha256 const> layer) const {
  if (!pieces_[file] || torrent_->files[file].pad) return {};
  return torrent_->hashes.v1 ? verified_by_pieces(file, *pieces_[file], read) : verified_by_layer(file, read, layer);
}

/// The SHA-1 of the stream's bytes in [from, to); false when one of them is missing.
bool PartCheck::hash_stream(std::uint64_t from, std::uint64_t to, ReadFile const& read, Sha1& hash) const {
  Sha1Stream stream;
  std::vector<std::byte> buffer(read_bytes);
  auto const after = std::upper_bound(begins_.begin(), begins_.end(), from);
  for (auto file = static_cast<std::size_t>(after - begins_.begin()) - 1; from < to; ++file) {
    while (from < std::min(begins_[file + 1], to)) {
      auto const wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(std::min(begins_[file + 1], to) - from, read_bytes));
      auto const part = std::span{buffer}.first(wanted);
      if (torrent_->files[file].pad)
        std::fill(part.begin(), part.end(), std::byte{0});
      else if (read(file, from - begins_[file], part) != wanted)
        return false;
      stream.add(part);
      from += wanted;
    }
  }
  hash = stream.finish();
  return true;
}

std::vector<ByteRange> PartCheck::verified_by_pieces(std::size_t file, PieceRange pieces, ReadFile const& read) const {
  std::vector<ByteRange> ranges;
  for (std::uint64_t piece = pieces.first; piece <= pieces.last; ++piece) {
    std::uint64_t const from = piece * torrent_->piece_length;
    std::uint64_t const to = std::min(from + torrent_->piece_length, begins_.back());
    Sha1 digest;
    if (!hash_stream(from, to, read, digest)) continue;
    auto const expected = bytes_of(piece_hashes_).subspan(piece * Sha1::size, Sha1::size);
    if (!std::equal(expected.begin(), expected.end(), digest.bytes.begin())) continue;
    append(ranges, {std::max(from, begins_[file]) - begins_[file], std::min(to, begins_[file + 1]) - begins_[file]});
  }
  return ranges;
}

std::vector<ByteRange> PartCheck::verified_by_layer(std::size_t file, ReadFile const& read,
                                                    std::span<Sha256 const> layer) const {
  std::vector<ByteRange> ranges;
  TorrentFile const& named = torrent_->files[file];
  std::uint64_t const length = torrent_->piece_length;
  if (layer_size(file) == 0 || layer.size() != layer_size(file) || !named.pieces_root ||
      !is_piece_layer(layer, *named.pieces_root, length))
    return ranges;
  std::vector<std::byte> buffer(read_bytes);
  for (std::size_t piece = 0; piece < layer.size(); ++piece) {
    std::uint64_t const from = piece * length;
    std::uint64_t const to = std::min(from + length, named.size);
    PiecesRoot tree;
    std::uint64_t at = from;
    while (at < to) {
      auto const part = std::span{buffer}.first(static_cast<std::size_t>(std::min<std::uint64_t>(to - at, read_bytes)));
      if (read(file, at, part) != part.size()) break;
      tree.add(part);
      at += part.size();
    }
    if (at == to && tree.finish(length) == layer[piece]) append(ranges, {from, to});
  }
  return ranges;
}

}  // namespace impound::fetchers
