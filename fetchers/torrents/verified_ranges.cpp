#include "fetchers/torrents/verified_ranges.h"

#include <algorithm>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/bencode.h"
#include "fetchers/torrents/piece_range.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t read_bytes = 256u << 10;

/// Where each file begins in the stream that BEP 3 cuts into pieces.
std::vector<std::uint64_t> beginnings(Metainfo const& torrent) {
  std::vector<std::uint64_t> begins;
  std::uint64_t at = 0;
  for (TorrentFile const& file : torrent.files) {
    begins.push_back(at);
    at += file.size;
  }
  begins.push_back(at);
  return begins;
}

/// The SHA-1 of the stream's bytes in [from, to); false when one of them is missing.
bool hash_stream(Metainfo const& torrent, std::vector<std::uint64_t> const& begins, std::uint64_t from,
                 std::uint64_t to, ReadFile const& read, Sha1Stream& hash) {
  std::vector<std::byte> buffer(read_bytes);
  auto const after = std::upper_bound(begins.begin(), begins.end(), from);
  for (auto file = static_cast<std::size_t>(after - begins.begin()) - 1; from < to; ++file) {
    while (from < std::min(begins[file + 1], to)) {
      auto const wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(std::min(begins[file + 1], to) - from, read_bytes));
      auto const part = std::span{buffer}.first(wanted);
      if (torrent.files[file].pad)
        std::fill(part.begin(), part.end(), std::byte{0});
      else if (read(file, from - begins[file], part) != wanted)
        return false;
      hash.add(part);
      from += wanted;
    }
  }
  return true;
}

}  // namespace

Result<std::vector<ByteRange>> verified_ranges(Metainfo const& torrent, std::size_t file, ReadFile const& read) {
  std::vector<ByteRange> ranges;
  auto const pieces = piece_ranges(torrent)[file];
  if (!torrent.hashes.v1 || !pieces || torrent.files[file].pad) return ranges;
  MetainfoLimits const limits;
  IMPOUND_TRY(outline, BencodeOutline::read(torrent.info, limits.depth_max, limits.tokens_max, false));
  auto const hashes = outline.root().find("pieces");
  auto const text = hashes ? hashes->text() : std::string_view{};
  if (text.size() != torrent.pieces * Sha1::size)
    return Error{Code::malformed, "not a usable torrent: the number of piece hashes is wrong", {}, {}};
  auto const begins = beginnings(torrent);
  for (std::uint64_t piece = pieces->first; piece <= pieces->last; ++piece) {
    std::uint64_t const from = piece * torrent.piece_length;
    std::uint64_t const to = std::min(from + torrent.piece_length, begins.back());
    Sha1Stream hash;
    if (!hash_stream(torrent, begins, from, to, read, hash)) continue;
    Sha1 const digest = hash.finish();
    auto const expected = bytes_of(text).subspan(piece * Sha1::size, Sha1::size);
    if (!std::equal(expected.begin(), expected.end(), digest.bytes.begin())) continue;
    ByteRange const part{std::max(from, begins[file]) - begins[file], std::min(to, begins[file + 1]) - begins[file]};
    if (!ranges.empty() && ranges.back().to == part.from)
      ranges.back().to = part.to;
    else
      ranges.push_back(part);
  }
  return ranges;
}

}  // namespace impound::fetchers
