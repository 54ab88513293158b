#include "fetchers/torrents/worker/disk/download_journal.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "evidence/formats/crc32c.h"

namespace impound::fetchers {

namespace {

constexpr std::string_view magic = "IMPOUND-DL-1";
constexpr std::size_t header_bytes = magic.size() + 32 + 4;
constexpr std::uint64_t journal_bytes_max = 1u << 30;
constexpr char kind_begun = 1;
constexpr char kind_hashed = 2;
constexpr char kind_reached = 3;
constexpr char kind_finished = 4;
constexpr char kind_sender = 5;
constexpr char kind_sent = 6;
static_assert(std::is_trivially_copyable_v<Sha256Stream> && sizeof(Sha256Stream) == 112);

Bytes raw(std::string_view text) { return std::as_bytes(std::span{text.data(), text.size()}); }

template <class Number>
void put(std::string& into, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i) into += static_cast<char>((value >> (8 * i)) & 0xff);
}

template <class Object>
void put_object(std::string& into, Object const& object) {
  static_assert(std::is_trivially_copyable_v<Object>);
  into.append(reinterpret_cast<char const*>(&object), sizeof object);
}

std::string record(std::string const& body) {
  std::string framed;
  put(framed, static_cast<std::uint32_t>(body.size()));
  put(framed, crc32c(raw(body), crc32c(raw(framed))));
  return framed + body;
}

std::string body_of(char kind, std::size_t number) {
  std::string body(1, kind);
  put(body, static_cast<std::uint32_t>(number));
  return body;
}

/// Takes from the front; says false for ever once there is not enough.
class Taking {
 public:
  explicit Taking(std::string_view from) : from_(from) {}
  template <class Number>
  bool number(Number& into) {
    into = 0;
    if (from_.size() < sizeof into) return false;
    for (std::size_t i = 0; i < sizeof into; ++i)
      into = static_cast<Number>(
          into | static_cast<Number>(static_cast<Number>(static_cast<unsigned char>(from_[i])) << (8 * i)));
    from_.remove_prefix(sizeof into);
    return true;
  }
  template <class Object>
  bool object(Object& into) {
    if (from_.size() < sizeof into) return false;
    std::memcpy(&into, from_.data(), sizeof into);
    from_.remove_prefix(sizeof into);
    return true;
  }
  std::size_t left() const { return from_.size(); }

 private:
  std::string_view from_;
};

bool take_hashed(Taking& body, std::uint32_t piece, JournalLimits const& limits, JournalContent& content) {
  PieceHashes hashes;
  std::uint8_t has_v1 = 0;
  if (!body.number(has_v1) || has_v1 > 1) return false;
  if (has_v1 == 1 && !body.object(hashes.v1.emplace().bytes)) return false;
  if (body.left() % 32 != 0 || body.left() / 32 > limits.blocks) return false;
  while (body.left() > 0) (void)body.object(hashes.blocks.emplace_back().bytes);
  content.begun.erase(piece);
  content.pieces[piece] = std::move(hashes);
  return true;
}

bool take_sender(Taking& body, std::uint32_t number, JournalContent& content) {
  Sender sender;
  if (number != content.senders.size() || number >= sender_unknown) return false;
  if (!body.object(sender.address) || !body.number(sender.port)) return false;
  content.senders.push_back(sender);
  return true;
}

bool take_sent(Taking& body, std::uint32_t piece, JournalContent& content) {
  std::vector<SenderRun> runs;
  while (body.left() > 0) {
    SenderRun run;
    if (!body.number(run.sender) || !body.number(run.blocks)) return false;
    if (run.sender != sender_unknown && run.sender >= content.senders.size()) return false;
    runs.push_back(run);
  }
  content.sent[piece] = std::move(runs);
  return true;
}

/// False: a record that we never write.
bool take(std::string_view bytes, JournalLimits const& limits, JournalContent& content) {
  Taking body{bytes};
  std::uint8_t kind = 0;
  std::uint32_t number = 0;
  if (!body.number(kind) || !body.number(number)) return false;
  if (kind == kind_sender) return take_sender(body, number, content) && body.left() == 0;
  bool const of_piece = kind <= kind_hashed || kind == kind_sent;
  if (number >= (of_piece ? limits.pieces : limits.files)) return false;
  if (kind == kind_sent) return take_sent(body, number, content);
  if (kind == kind_hashed) return take_hashed(body, number, limits, content);
  if (kind == kind_begun) {
    content.pieces.erase(number);
    content.sent.erase(number);
    content.begun.insert(number);
  } else if (kind == kind_reached) {
    FrontierState state;
    if (!body.number(state.next) || !body.object(state.stream)) return false;
    content.frontiers[number] = state;
  } else if (kind == kind_finished) {
    Sha256 digest;
    if (!body.object(digest.bytes)) return false;
    content.digests[number] = digest;
    content.frontiers.erase(number);
  } else {
    return false;
  }
  return body.left() == 0;
}

/// The bytes of whole records from the front on.
std::size_t read_records(std::string_view bytes, JournalLimits const& limits, JournalContent& content) {
  std::size_t at = header_bytes;
  while (bytes.size() - at >= 8) {
    Taking head{bytes.substr(at, 8)};
    std::uint32_t size = 0;
    std::uint32_t crc = 0;
    (void)head.number(size);
    (void)head.number(crc);
    if (size > bytes.size() - at - 8) break;
    auto const body = bytes.substr(at + 8, size);
    if (crc32c(raw(body), crc32c(raw(bytes.substr(at, 4)))) != crc || !take(body, limits, content)) break;
    at += 8 + size;
  }
  return at;
}

std::string header_of(Sha256 const& identity) {
  std::string header{magic};
  put_object(header, identity.bytes);
  put(header, crc32c(raw(header)));
  return header;
}

}  // namespace

Result<std::shared_ptr<DownloadJournal>> DownloadJournal::open(Disk& disk, std::string const& folder,
                                                               Sha256 const& identity, JournalLimits limits,
                                                               std::optional<JournalContent>& content) {
  content.reset();
  auto journal = std::make_shared<DownloadJournal>(disk, folder + "/journal", header_of(identity));
  auto const before = read_whole(disk, journal->path_, journal_bytes_max);
  if (!before && before.error().code == Code::not_found) return journal;
  if (!before && before.error().code != Code::refused) return before.error();
  IMPOUND_TRY(file, DiskFile::open(disk, journal->path_, Open::write));
  journal->file_ = std::move(file);
  if (!before || !before.value().starts_with(journal->header_)) {
    IMPOUND_CHECK(journal->begin_anew());
    return journal;
  }
  journal->end_ = read_records(before.value(), limits, content.emplace());
  if (journal->end_ == before.value().size()) return journal;
  // Durably: good records may lie behind the torn one, and new ones must never be found before them.
  IMPOUND_CHECK(journal->file_.truncate(journal->end_));
  IMPOUND_CHECK(journal->file_.sync());
  return journal;
}

Result<std::optional<JournalContent>> DownloadJournal::read(Disk& disk, std::string const& folder,
                                                            JournalLimits limits) {
  auto const bytes = read_whole(disk, folder + "/journal", journal_bytes_max);
  if (!bytes && bytes.error().code == Code::not_found) return std::optional<JournalContent>{};
  if (!bytes) return bytes.error();
  if (!bytes.value().starts_with(magic) || bytes.value().size() < header_bytes) return std::optional<JournalContent>{};
  std::optional<JournalContent> content{std::in_place};
  (void)read_records(bytes.value(), limits, *content);
  return content;
}

Result<void> DownloadJournal::begin_anew() {
  std::lock_guard const lock{mutex_};
  // Durably empty before a header comes: it must never be found over old records.
  IMPOUND_CHECK(file_.truncate(0));
  IMPOUND_CHECK(file_.sync());
  end_ = 0;
  return ok();
}

Result<void> DownloadJournal::write(std::string const& records) {
  std::lock_guard const lock{mutex_};
  if (failed_) return failed_->error;
  if (!file_) {
    IMPOUND_TRY(made, DiskFile::open(disk_, path_, Open::create));
    file_ = std::move(made);
  }
  auto const bytes = end_ == 0 ? header_ + records : records;
  IMPOUND_CHECK(file_.write(end_, raw(bytes)));
  end_ += bytes.size();
  return ok();
}

Result<void> DownloadJournal::begun(std::size_t piece) { return write(record(body_of(kind_begun, piece))); }

Result<void> DownloadJournal::append(std::string const& records) {
  if (records.empty()) return ok();
  IMPOUND_CHECK(write(records));
  return file_.sync();  // beside begun(), which need not wait for it
}

void DownloadJournal::fail(DiskFailure const& failure) {
  std::lock_guard const lock{mutex_};
  if (!failed_) failed_ = failure;
}

std::optional<DiskFailure> DownloadJournal::failure() const {
  std::lock_guard const lock{mutex_};
  return failed_;
}

std::string hashed_record(std::size_t piece, PieceHashes const& hashes) {
  auto body = body_of(kind_hashed, piece);
  body += static_cast<char>(hashes.v1 ? 1 : 0);
  if (hashes.v1) put_object(body, hashes.v1->bytes);
  for (auto const& block : hashes.blocks) put_object(body, block.bytes);
  return record(body);
}

std::string reached_record(std::size_t file, FrontierState const& state) {
  auto body = body_of(kind_reached, file);
  put(body, state.next);
  put_object(body, state.stream);
  return record(body);
}

std::string finished_record(std::size_t file, Sha256 const& digest) {
  auto body = body_of(kind_finished, file);
  put_object(body, digest.bytes);
  return record(body);
}

std::string sender_record(std::uint16_t number, Sender const& sender) {
  auto body = body_of(kind_sender, number);
  put_object(body, sender.address);
  put(body, sender.port);
  return record(body);
}

std::string sent_record(std::size_t piece, std::vector<SenderRun> const& runs) {
  auto body = body_of(kind_sent, piece);
  for (SenderRun const& run : runs) {
    put(body, run.sender);
    put(body, run.blocks);
  }
  return record(body);
}

}  // namespace impound::fetchers
