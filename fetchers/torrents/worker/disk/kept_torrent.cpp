#include "fetchers/torrents/worker/disk/kept_torrent.h"

#include <algorithm>
#include <array>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::uint64_t read_bytes = 64u << 10;
constexpr std::array<std::byte, block_bytes> zeros{};

}  // namespace

KeptTorrent::KeptTorrent(Disk& disk, std::string folder, PieceMap map, bool has_v2, Sha256 const& identity,
                         DiskCounters& counters, KeptLimits const& limits)
    : disk_(disk),
      folder_(std::move(folder)),
      map_(std::move(map)),
      has_v2_(has_v2),
      identity_(identity),
      counters_(counters),
      files_(disk, folder_, limits.files),
      frontiers_(map_.files().size()),
      passed_(map_.pieces()),
      digest_journaled_(map_.files().size()),
      durable_(map_.files().size()),
      shown_(map_.files().size()),
      left_(map_.files().size()),
      unwanted_(map_.files().size()),
      left_in_cache_(map_.files().size(), true),
      limits_(limits) {
  for (std::size_t i = 0; i < durable_.size(); ++i) durable_[i] = map_.files()[i].size == 0;
}

void KeptTorrent::files_left(std::vector<bool> const& left) {
  auto flag = left.begin();
  for (std::size_t i = 0; i < left_.size() && flag != left.end(); ++i)
    if (!map_.files()[i].pad) left_[i] = *flag++;
}

void KeptTorrent::choose(std::vector<bool> const& wanted) {
  for (std::size_t i = 0; i < unwanted_.size(); ++i) unwanted_[i] = i < wanted.size() && !wanted[i];
  files_.close_all();  // room is taken when they are opened
}

Result<bool> KeptTorrent::open(Journal journal) {
  bool any = false;
  for (std::size_t i = 0; i < map_.files().size() && !any; ++i)
    any = !map_.files()[i].pad && (left_[i] || files_.size_of(i));
  std::optional<JournalContent> content;
  JournalLimits const limits{map_.pieces(), map_.files().size(),
                             static_cast<std::size_t>((map_.piece_length() + block_bytes - 1) / block_bytes)};
  IMPOUND_TRY(opened, DownloadJournal::open(disk_, folder_, identity_, limits, content));
  journal_ = std::move(opened);
  if (!content) return any;
  bool believed = any && journal == Journal::believed;
  if (believed) {
    IMPOUND_TRY(whole, is_there(*content));
    believed = whole;
  }
  if (believed)
    take_up(std::move(*content));
  else
    IMPOUND_CHECK(journal_->begin_anew());
  return any;
}

/// A journal speaks of files as they were: where one is missing or shorter, somebody was here since, and all is read.
Result<bool> KeptTorrent::is_there(JournalContent const& content) {
  std::map<std::size_t, std::optional<std::uint64_t>> sizes;
  for (auto const& [piece, hashes] : content.pieces) {
    for (auto const& span : map_.spans(piece, 0, map_.piece_length())) {
      if (span.pad || left_[span.file]) continue;
      auto const [found, added] = sizes.try_emplace(span.file);
      if (added) found->second = files_.size_of(span.file);
      if (!found->second || *found->second < span.offset + span.size) return false;
    }
  }
  return true;
}

void KeptTorrent::take_up(JournalContent content) {
  knows_what_is_there_ = true;
  begun_before_ = std::move(content.begun);
  before_ = std::move(content.pieces);
  senders_.go_on_from(content.senders);
  for (auto const& [file, state] : content.frontiers) {
    if (state.next > map_.files()[file].size) continue;
    frontiers_[file].go_on_from(state);
    shown_[file] = state.next;
  }
  for (auto const& [file, digest] : content.digests) {
    frontiers_[file].finished_before(digest);
    digest_journaled_[file] = durable_[file] = true;
  }
}

PieceHashing& KeptTorrent::hashing_of(std::size_t piece) {
  auto& slot = live_[piece];
  if (!slot) slot = std::make_unique<PieceHashing>(held_, has_v1_, has_v2_ ? map_.v2_size(piece) : 0);
  return *slot;
}

Result<void> KeptTorrent::write(std::size_t piece, std::uint64_t start, Bytes bytes,
                                std::optional<Sender> const& sender) {
  if (broken_) return *broken_;
  if (piece >= map_.pieces() || start + bytes.size() > map_.piece_size(piece) || !journal_)
    return Error{Code::malformed, "a block that is in no piece", folder_, {}};
  ++counters_.blocks;
  if (passed_[piece]) return ok();
  pending_ += bytes.size();
  if (!live_.contains(piece)) {
    before_.erase(piece);
    IMPOUND_CHECK(journal_->begun(piece));
  }
  auto& hashing = hashing_of(piece);
  IMPOUND_CHECK(write_spans(piece, start, bytes));
  note_sender(piece, start, sender);
  fill_pads(piece, hashing);
  hashing.add(start, bytes, [&](std::uint64_t at, Bytes part) { try_frontiers(piece, at, part); });
  fill_pads(piece, hashing);
  return ok();
}

void KeptTorrent::note_sender(std::size_t piece, std::uint64_t start, std::optional<Sender> const& sender) {
  std::uint16_t number = sender_unknown;
  if (sender) {
    auto const [known, added] = senders_.number_of(*sender);
    if (added) new_senders_ += sender_record(known, *sender);
    number = known;
  }
  senders_.sent(piece, static_cast<std::size_t>(start / block_bytes), number);
}

Result<void> KeptTorrent::write_spans(std::size_t piece, std::uint64_t start, Bytes bytes) {
  for (auto const& span : map_.spans(piece, start, bytes.size())) {
    auto const part = bytes.first(static_cast<std::size_t>(span.size));
    // Of one that left, or is not wanted, only what shares a piece with a file that is still to come.
    bool const comes_whole = !span.pad && !left_[span.file] && !unwanted_[span.file];
    std::uint64_t const room = comes_whole ? map_.files()[span.file].size : 0;
    if (!span.pad) IMPOUND_CHECK(files_.write(span.file, room, span.offset, part));
    bytes = bytes.subspan(part.size());
  }
  return ok();
}

/// Pad files are never sent in blocks of their own, but are part of the piece.
void KeptTorrent::fill_pads(std::size_t piece, PieceHashing& hashing) {
  for (;;) {
    auto const ahead = map_.spans(piece, hashing.next(), block_bytes - hashing.next() % block_bytes);
    if (ahead.empty() || !std::all_of(ahead.begin(), ahead.end(), [](PieceSpan const& span) { return span.pad; }))
      return;
    std::uint64_t size = 0;
    for (auto const& span : ahead) size += span.size;
    auto const before = hashing.next();
    hashing.add(before, Bytes{zeros}.first(static_cast<std::size_t>(size)),
                [&](std::uint64_t at, Bytes part) { try_frontiers(piece, at, part); });
    if (hashing.next() == before) return;
  }
}

void KeptTorrent::try_frontiers(std::size_t piece, std::uint64_t start, Bytes bytes) {
  for (auto const& span : map_.spans(piece, start, bytes.size())) {
    auto const part = bytes.first(static_cast<std::size_t>(span.size));
    if (!span.pad && !left_[span.file] && frontiers_[span.file].next() == span.offset)
      frontiers_[span.file].try_bytes(piece, part);
    bytes = bytes.subspan(part.size());
  }
}

Result<void> KeptTorrent::read_piece(std::size_t piece, std::uint64_t start, std::span<std::byte> into) {
  for (auto const& span : map_.spans(piece, start, into.size())) {
    auto const part = into.first(static_cast<std::size_t>(span.size));
    if (span.pad)
      std::fill(part.begin(), part.end(), std::byte{0});
    else
      IMPOUND_CHECK(files_.read(span.file, span.offset, part));
    into = into.subspan(part.size());
  }
  return ok();
}

Result<PieceHashes> KeptTorrent::read_hashes(std::size_t piece, HashWanted wanted) {
  HeldBudget none;
  PieceHashing hashing{none, wanted.v1, wanted.blocks > 0 ? map_.v2_size(piece) : 0};
  std::array<std::byte, block_bytes> block;
  std::uint64_t const size = map_.piece_size(piece);
  for (std::uint64_t at = 0; at < size; at += block_bytes) {
    auto const part = std::span{block}.first(static_cast<std::size_t>(std::min(block_bytes, size - at)));
    IMPOUND_CHECK(read_piece(piece, at, part));
    hashing.add(at, part, {});
  }
  return *hashing.finish(size);
}

Result<PieceHashes> KeptTorrent::hash(std::size_t piece, HashWanted wanted) {
  Sha1 absent_v1;
  std::copy_n(limits_.absent.bytes.begin(), Sha1::size, absent_v1.bytes.begin());
  PieceHashes absent{wanted.v1 ? std::optional{absent_v1} : std::nullopt,
                     std::vector<Sha256>(wanted.blocks, limits_.absent)};
  if (piece >= map_.pieces()) return absent;
  has_v1_ &= wanted.v1;
  auto const fits = [&](PieceHashes const& hashes) {
    return (!wanted.v1 || hashes.v1) && hashes.blocks.size() >= wanted.blocks;
  };
  if (auto const live = live_.find(piece); live != live_.end()) {
    fill_pads(piece, *live->second);
    if (auto hashes = live->second->finish(map_.piece_size(piece)); hashes && fits(*hashes))
      return hashed_[piece] = std::move(*hashes);
    ++counters_.pieces_read_back;
    // Of a block that came twice the frontiers may have taken other bytes than those that lie there now.
    for (auto const& span : map_.spans(piece, 0, map_.piece_length()))
      if (!span.pad) frontiers_[span.file].piece_failed(piece);
  } else if (auto const kept = before_.find(piece); kept != before_.end() && fits(kept->second)) {
    ++counters_.pieces_from_journal;
    return kept->second;
  } else if (knows_what_is_there_ && kept == before_.end() && !begun_before_.contains(piece) && !passed_[piece]) {
    return absent;
  } else {
    ++counters_.pieces_rechecked;
    read_from_the_medium(piece);
  }
  auto read = read_hashes(piece, wanted);
  if (!read && read.error().code == Code::not_found) return absent;
  if (!read) return read;
  count_unsynced(piece);
  return hashed_[piece] = std::move(read).value();
}

/// A process that died may have left pages that a failed sync has marked as clean: they are not on the medium, and no
/// later sync tells. Those that are dirty stay, and are synced with what is written now.
void KeptTorrent::read_from_the_medium(std::size_t piece) {
  for (auto const& span : map_.spans(piece, 0, map_.piece_length())) {
    if (span.pad || !left_in_cache_[span.file]) continue;
    left_in_cache_[span.file] = false;
    files_.forget_cached(span.file);
  }
}

/// What was read may be in the page cache alone, left by a process that died before its sync.
void KeptTorrent::count_unsynced(std::size_t piece) {
  for (auto const& span : map_.spans(piece, 0, map_.piece_length())) {
    if (span.pad) continue;
    files_.note_unsynced(span.file);
    pending_ += span.size;
  }
}

Result<Sha256> KeptTorrent::hash_block(std::size_t piece, std::uint64_t start) {
  if (auto const live = live_.find(piece); live != live_.end()) {
    if (auto const hash = live->second->block(static_cast<std::size_t>(start / block_bytes))) return *hash;
  }
  std::array<std::byte, block_bytes> block;
  std::uint64_t const size = map_.v2_size(piece);
  if (start >= size) return Error{Code::malformed, "a block that is in no piece", folder_, {}};
  auto const part = std::span{block}.first(static_cast<std::size_t>(std::min(block_bytes, size - start)));
  IMPOUND_CHECK(read_piece(piece, start, part));
  return sha256(part);
}

void KeptTorrent::passed(std::size_t piece) {
  if (piece >= map_.pieces() || passed_[piece]) return;
  passed_[piece] = true;
  live_.erase(piece);
  begun_before_.erase(piece);
  if (auto found = hashed_.extract(piece)) {
    records_ += hashed_record(piece, found.mapped());
    note_senders_of(piece);
  }
  before_.erase(piece);
  for (auto const& span : map_.spans(piece, 0, map_.piece_length())) {
    if (span.pad || left_[span.file]) continue;
    frontiers_[span.file].piece_passed(piece);
    touched_.insert(span.file);
    behind_.insert(span.file);
  }
  catch_up();
}

/// At once, and not synced: a worker that dies before the batch leaves the piece's bytes, and who sent them. None where
/// an earlier worker wrote it.
void KeptTorrent::note_senders_of(std::size_t piece) {
  auto const sent = senders_.take(piece);
  if (sent.empty()) return;
  auto const records = std::exchange(new_senders_, {}) + sent_record(piece, sent);
  // Once one has failed all go with the batches, which tell what became of it: numbers must come in their order.
  notes_ = notes_ && journal_->note(records).has_value();
  if (!notes_) records_ += records;
}

/// From the page cache, as a rule.
void KeptTorrent::catch_up() {
  std::uint64_t left = limits_.catch_up_bytes;
  while (behind() && left > 0) {
    auto const file = *behind_.begin();
    if (auto const caught = catch_up(file, left); !caught) broken_ = caught.error();
    if (!digest_journaled_[file] && digest(file)) whole_.insert(file);
  }
}

Result<void> KeptTorrent::catch_up(std::size_t file, std::uint64_t& left) {
  auto& frontier = frontiers_[file];
  std::uint64_t const size = map_.files()[file].size;
  std::vector<std::byte> buffer;
  touched_.insert(file);
  while (!frontier.digest(size) && frontier.next() < size && passed_[map_.piece_at(file, frontier.next())]) {
    if (left == 0) return ok();
    std::uint64_t const wanted =
        std::min({size - frontier.next(), map_.left_in_piece(file, frontier.next()), read_bytes, left});
    buffer.resize(static_cast<std::size_t>(wanted));
    IMPOUND_CHECK(files_.read(file, frontier.next(), buffer));
    counters_.bytes_caught_up += wanted;
    frontier.add(buffer);
    left -= wanted;
  }
  behind_.erase(file);
  return ok();
}

std::vector<LostRun> KeptTorrent::failed(std::size_t piece) {
  live_.erase(piece);
  hashed_.erase(piece);
  for (auto const& span : map_.spans(piece, 0, map_.piece_length())) {
    if (!span.pad) frontiers_[span.file].piece_failed(piece);
  }
  return senders_.lose(piece);
}

std::optional<Batch> KeptTorrent::take_batch() {
  if (broken_ || !journal_ || (pending_ == 0 && touched_.empty())) return std::nullopt;
  std::vector<std::size_t> finished;
  for (std::size_t const file : touched_) {
    if (digest_journaled_[file]) continue;
    if (auto const whole = digest(file)) {
      records_ += finished_record(file, *whole);
      digest_journaled_[file] = true;
      finished.push_back(file);
    } else if (auto const& passed = frontiers_[file].passed(); passed.next > shown_[file]) {
      records_ += reached_record(file, passed);
      shown_[file] = passed.next;
    }
  }
  touched_.clear();
  whole_.clear();
  auto unsynced = files_.take_unsynced();
  return Batch{folder_,
               std::move(unsynced.files),
               unsynced.names,
               journal_,
               std::exchange(records_, {}),
               std::exchange(pending_, 0),
               std::move(finished)};
}

void KeptTorrent::batch_ended(Result<void> const& done, std::vector<std::size_t> const& finished) {
  if (!done) {
    if (!broken_) broken_ = done.error();
    return;
  }
  ++counters_.batches;
  for (std::size_t const file : finished) durable_[file] = true;
}

Result<void> KeptTorrent::commit() {
  if (broken_) return *broken_;
  auto const batch = take_batch();
  if (!batch) return ok();
  auto done = carry_out(disk_, *batch);
  batch_ended(done, batch->finished);
  return done;
}

}  // namespace impound::fetchers
