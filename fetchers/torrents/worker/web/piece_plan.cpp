#include "fetchers/torrents/worker/web/piece_plan.h"

#include <algorithm>
#include <utility>

namespace impound::fetchers {

namespace {

std::vector<StoredFile> stored_files(Metainfo const& torrent, std::vector<std::optional<std::size_t>>& numbers) {
  std::vector<StoredFile> files;
  bool const aligned = !torrent.hashes.v1;
  for (std::size_t i = 0; i < torrent.files.size(); ++i) {
    TorrentFile const& file = torrent.files[i];
    if (file.symlink) continue;
    files.push_back({file.size, file.pad});
    numbers.push_back(i);
    std::uint64_t const over = torrent.piece_length == 0 ? 0 : file.size % torrent.piece_length;
    if (!aligned || over == 0) continue;
    files.push_back({torrent.piece_length - over, true});  // behind the last one, too, as libtorrent counts
    numbers.emplace_back();
  }
  return files;
}

}  // namespace

TorrentStream::TorrentStream(Metainfo const& torrent) : map(torrent.piece_length, stored_files(torrent, file)) {}

PiecePlan::PiecePlan(Metainfo const& torrent, std::vector<bool> const& wanted, std::size_t seeds)
    : stream_(torrent), seeds_(seeds) {
  std::size_t const pieces = stream_.map.pieces();
  wanted_.resize(pieces);
  has_.resize(pieces);
  taken_.resize(pieces);
  for (std::size_t i = 0; i < stream_.map.files().size(); ++i) {
    StoredFile const& file = stream_.map.files()[i];
    auto const number = stream_.file[i];
    if (file.pad || file.size == 0 || !number || *number >= wanted.size() || !wanted[*number]) continue;
    for (std::size_t piece = stream_.map.piece_at(i, 0); piece <= stream_.map.piece_at(i, file.size - 1); ++piece) {
      if (!wanted_[piece]) ++missing_;
      wanted_[piece] = true;
    }
  }
  for (Seed& seed : seeds_) {
    seed.lacks.resize(pieces);
    seed.lacks_for_now.resize(pieces);
    seed.useful = missing_;
  }
  in_stream_.assign(torrent.files.size(), stream_.file.size());
  for (std::size_t i = 0; i < stream_.file.size(); ++i)
    if (stream_.file[i]) in_stream_[*stream_.file[i]] = i;
}

/// Of one that is wanted and missing: it becomes useful, or no more so.
void PiecePlan::count(Seed& seed, std::size_t piece, int by) {
  if (seed.lacks[piece]) return;
  auto& counted = seed.lacks_for_now[piece] ? seed.put_off : seed.useful;
  counted = by > 0 ? counted + 1 : counted - 1;
}

void PiecePlan::passed(std::size_t piece) {
  if (has(piece)) return;
  if (wanted_[piece]) {
    for (Seed& seed : seeds_) count(seed, piece, -1);
    --missing_;
  }
  has_[piece] = true;
  taken_[piece] = false;
}

std::vector<std::size_t> PiecePlan::files_of(std::size_t piece) const {
  std::vector<std::size_t> files;
  for (PieceSpan const& span : stream_.map.spans(piece, 0, stream_.map.piece_length()))
    if (auto const number = stream_.file[span.file]; number && !span.pad) files.push_back(*number);
  return files;
}

template <class Each>
void PiecePlan::each_piece(std::size_t file, Each each) const {
  std::size_t const at = in_stream_[file];
  std::uint64_t const size = at < stream_.file.size() ? stream_.map.files()[at].size : 0;
  if (size == 0) return;
  for (std::size_t piece = stream_.map.piece_at(at, 0); piece <= stream_.map.piece_at(at, size - 1); ++piece)
    each(piece);
}

/// The last piece of the file with which the piece begins.
std::size_t PiecePlan::last_of_file(std::size_t piece) const {
  auto const spans = stream_.map.spans(piece, 0, stream_.map.piece_length());
  if (spans.empty()) return piece;
  return stream_.map.piece_at(spans.back().file, stream_.map.files()[spans.back().file].size - 1);
}

std::optional<PieceRun> PiecePlan::next(std::size_t number, bool from_the_end, std::uint64_t bytes) {
  Seed& seed = seeds_[number];
  if (seed.useful == 0 || seed.found_nothing_at == changes_) return std::nullopt;
  std::size_t const pieces = has_.size();
  while (first_missing_ < pieces && (!wanted_[first_missing_] || has_[first_missing_])) ++first_missing_;
  if (seed.no_ranges) from_the_end = false;
  std::uint64_t const length = stream_.map.piece_length();
  std::optional<PieceRun> run;
  if (from_the_end) {
    std::size_t last = pieces;
    while (last > first_missing_ && !is_free(seed, last - 1)) --last;
    if (last == first_missing_) return seed.found_nothing_at = changes_, std::nullopt;
    std::size_t first = last - 1;
    while (first > first_missing_ && (last - first + 1) * length <= bytes && is_free(seed, first - 1)) --first;
    run = PieceRun{first, last - 1};
  } else {
    std::size_t first = first_missing_;
    while (first < pieces && !is_free(seed, first)) ++first;
    if (first == pieces) return seed.found_nothing_at = changes_, std::nullopt;
    std::size_t last = first;
    std::size_t const file_end = seed.no_ranges ? last_of_file(first) : 0;
    while (last + 1 < pieces && ((last - first + 2) * length <= bytes || last < file_end) && is_free(seed, last + 1))
      ++last;
    run = PieceRun{first, last};
  }
  for (std::size_t piece = run->first; piece <= run->last; ++piece) taken_[piece] = true;
  return run;
}

void PiecePlan::give_back(PieceRun run) {
  for (std::size_t piece = run.first; piece <= run.last && piece < taken_.size(); ++piece) taken_[piece] = false;
  ++changes_;
}

void PiecePlan::lose(Seed& seed, std::size_t piece) {
  if (is_missing(piece)) count(seed, piece, -1);
  seed.lacks[piece] = true;
}

bool PiecePlan::failed(std::size_t seed, std::size_t piece) {
  if (piece >= taken_.size()) return false;
  taken_[piece] = false;
  ++changes_;
  if (seeds_[seed].failed_once.insert(piece).second) return false;
  if (!seeds_[seed].lacks[piece]) lose(seeds_[seed], piece);
  return true;
}

void PiecePlan::file_gone(std::size_t seed, std::size_t file) {
  if (!seeds_[seed].gone.insert(file).second) return;
  each_piece(file, [&](std::size_t piece) {
    if (!seeds_[seed].lacks[piece]) lose(seeds_[seed], piece);
  });
}

void PiecePlan::put_off(std::size_t seed, std::size_t file) {
  seeds_[seed].later.insert(file);
  each_piece(file, [&](std::size_t piece) {
    Seed& one = seeds_[seed];
    if (one.lacks_for_now[piece]) return;
    if (is_missing(piece)) count(one, piece, -1);
    one.lacks_for_now[piece] = true;
    if (is_missing(piece)) count(one, piece, 1);
  });
}

bool PiecePlan::bring_back(std::size_t number) {
  Seed& seed = seeds_[number];
  for (std::size_t const file : std::exchange(seed.later, {}))
    each_piece(file, [&](std::size_t piece) {
      if (!seed.lacks_for_now[piece]) return;
      if (is_missing(piece)) count(seed, piece, -1);
      seed.lacks_for_now[piece] = false;
      if (is_missing(piece)) count(seed, piece, 1);
    });
  ++changes_;
  return seed.useful > 0;
}

void PiecePlan::file_is_zeros(std::size_t seed, std::size_t file) { seeds_[seed].zeros.insert(file); }

std::vector<WebPart> PiecePlan::parts(std::size_t seed, PieceRun run) const {
  std::vector<WebPart> parts;
  for (std::size_t piece = run.first; piece <= run.last; ++piece) {
    for (PieceSpan const& span : stream_.map.spans(piece, 0, stream_.map.piece_length())) {
      auto number = stream_.file[span.file];
      if (span.pad || (number && seeds_[seed].zeros.contains(*number))) number.reset();
      bool const goes_on = !parts.empty() && parts.back().file == number &&
                           (!number || parts.back().offset + parts.back().size == span.offset);
      if (goes_on)
        parts.back().size += span.size;
      else
        parts.push_back({number, span.offset, span.size});
    }
  }
  return parts;
}

}  // namespace impound::fetchers
