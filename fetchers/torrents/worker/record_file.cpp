#include "fetchers/torrents/worker/record_file.h"

#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::fetchers {

namespace {

using Count = std::uint64_t RecordLeftOut::*;

/// Under which name an item is counted, and how many there may be; none for those that always have room.
std::pair<Count, std::size_t> bound_of(RecordItem const& item, RecordLimits const& limits) {
  if (std::holds_alternative<RecordPeer>(item)) return {&RecordLeftOut::peers, limits.peers};
  if (std::holds_alternative<RecordTracker>(item) || std::holds_alternative<RecordScrape>(item))
    return {&RecordLeftOut::trackers, limits.trackers};
  if (std::holds_alternative<RecordDht>(item)) return {&RecordLeftOut::searches, limits.searches};
  if (std::holds_alternative<RecordExchange>(item)) return {&RecordLeftOut::exchanges, limits.exchanges};
  if (std::holds_alternative<RecordCertificate>(item)) return {&RecordLeftOut::certificates, limits.certificates};
  if (std::holds_alternative<RecordFailedPiece>(item)) return {&RecordLeftOut::failed_pieces, limits.failed_pieces};
  return {nullptr, 0};
}

/// What a record ends with, made anew by each worker.
bool of_the_end(RecordItem const& item) {
  return std::holds_alternative<RecordWebSeed>(item) || std::holds_alternative<RecordTable>(item) ||
         std::holds_alternative<RecordSenders>(item) || std::holds_alternative<RecordBlocks>(item) ||
         std::holds_alternative<RecordLeftOut>(item);
}

constexpr std::size_t end_bytes = 1'024;  // kept for the last item

}  // namespace

void RecordFile::open() {
  auto const before = read_whole(disk_, path_, record_bytes_max);
  if (!before && before.error().code == Code::not_found) return;
  auto opened = DiskFile::open(disk_, path_, Open::write);
  if (!opened) return;  // the next write says why
  file_ = std::move(opened).value();
  if (before) {
    RecordReader reader{before.value()};
    for (auto item = reader.next(); item && item.value(); item = reader.next()) {
      count(*item.value());
      // The table of a worker before is not in its successor's way: that writes one of all of it. Nor is its count of
      // what was left out, which goes on in memory until more is.
      if (!of_the_end(*item.value())) written_ = reader.position();
    }
    left_out_told_ = 0;
  }
  (void)file_.truncate(written_);
}

/// An item that is in the record.
void RecordFile::count(RecordItem const& item) {
  if (std::holds_alternative<RecordHead>(item)) connections_.clear();
  if (auto const* const left = std::get_if<RecordLeftOut>(&item)) {
    left_out_ = *left;
    left_out_told_ = left->sum();
  }
  if (auto const* const one = std::get_if<RecordCertificate>(&item)) certificates_.insert(sha256(bytes_of(one->der)));
  if (auto const* const peer = std::get_if<RecordPeer>(&item); peer && !connections_.insert(peer->number).second)
    return;  // more of one that is there
  if (auto const [name, most] = bound_of(item, limits_); name != nullptr) ++(had_room_.*name);
}

bool RecordFile::has_room(RecordItem const& item) {
  auto const [name, most] = bound_of(item, limits_);
  if (name == nullptr) return true;
  auto const* const peer = std::get_if<RecordPeer>(&item);
  bool const more_of_it = peer != nullptr && connections_.contains(peer->number);
  if (more_of_it || (had_room_.*name < most && bytes() < limits_.bytes)) return true;
  if (peer == nullptr || peer->left_us) ++(left_out_.*name);  // once of each, when all is known of it
  return false;
}

bool RecordFile::add(RecordItem const& item) {
  if (!has_room(item)) return note_left_out(), false;
  return add_whole(item);
}

/// Whatever is left out is known to be, also when the worker dies.
void RecordFile::note_left_out() {
  if (left_out_.sum() < 2 * left_out_told_ || left_out_.sum() == left_out_told_) return;
  add_whole(left_out_);
}

bool RecordFile::add_whole(RecordItem const& item) {
  auto const bytes_of_it = record_bytes(item);
  std::size_t const room = record_bytes_max - (std::holds_alternative<RecordLeftOut>(item) ? 0 : end_bytes);
  if (!bytes_of_it || bytes() + bytes_of_it.value().size() > room) {
    if (auto const [name, most] = bound_of(item, limits_); name != nullptr) ++(left_out_.*name);
    if (auto const* const blocks = std::get_if<RecordBlocks>(&item))
      for (auto const& [sender, count] : blocks->runs) left_out_.blocks += count;
    if (auto const* const senders = std::get_if<RecordSenders>(&item)) left_out_.senders += senders->rows.size();
    return false;
  }
  waiting_ += bytes_of_it.value();
  count(item);
  return true;
}

std::optional<Sha256> RecordFile::certificate(std::string const& der) {
  Sha256 const digest = sha256(bytes_of(der));
  if (certificates_.contains(digest)) return digest;
  if (der.empty() || der.size() > record_certificate_bytes_max) {
    ++left_out_.certificates;
    return std::nullopt;
  }
  return add(RecordCertificate{der}) ? std::optional{digest} : std::nullopt;
}

Result<void> RecordFile::write() {
  if (waiting_.empty()) return ok();
  if (!file_) {
    IMPOUND_TRY(made, DiskFile::open(disk_, path_, Open::write_or_create));
    file_ = std::move(made);
    IMPOUND_CHECK(file_.truncate(written_));
  }
  IMPOUND_CHECK(file_.write(written_, bytes_of(waiting_)));
  written_ += waiting_.size();
  waiting_.clear();
  return ok();
}

}  // namespace impound::fetchers
