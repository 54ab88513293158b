#include "evidence/warc/writer.h"

#include <algorithm>

#include "evidence/formats/hex.h"
#include "evidence/open_file_hash.h"
#include "evidence/values/utc_time.h"
#include "evidence/warc/file_name.h"

namespace impound::evidence {

namespace {

constexpr std::uint32_t open_file_mode = 0600;

/// "20170505T185912Z" of "2017-05-05T18:59:12.345678Z".
std::string compact_utc(std::int64_t us) {
  std::string text = utc_text(us);
  text.resize(std::min<std::size_t>(text.size(), 19));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

void add_field(std::string& block, std::string_view name, std::string value) {
  if (value.empty()) return;
  std::replace_if(
      value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  block.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Result<std::unique_ptr<WarcWriter>> WarcWriter::open(Disk& vault, Clock& clock, Randomness& randomness,
                                                     WarcOrigin origin, LoggedWarcs const& logged) {
  auto writer = std::unique_ptr<WarcWriter>(new WarcWriter(vault, clock, randomness, std::move(origin)));
  IMPOUND_CHECK(writer->take_on_open_file(logged));
  return writer;
}

Result<void> WarcWriter::take_on_open_file(LoggedWarcs const& logged) {
  IMPOUND_TRY(files, vault_.list("warc", 1'000'000));
  std::optional<WarcFileName> newest;
  for (FolderEntry const& file : files) {
    auto const name = WarcFileName::parse(file.name);
    if (file.type != FileFacts::Type::file || !name || (newest && *name < *newest)) continue;
    std::string const path = "warc/" + file.name;
    IMPOUND_TRY(facts, vault_.facts_of(path));
    if (facts.mode == open_file_mode && facts.size > 0 && !logged.of(path).closed) newest = name;
  }
  if (!newest) return ok();
  path_ = "warc/" + newest->text();
  IMPOUND_TRY(file, DiskFile::open(vault_, path_, Open::write));
  IMPOUND_TRY(facts, file.facts());
  file_ = std::move(file);
  begun_us_ = newest->begun_us();
  size_ = synced_ = named_ = facts.size;
  records_ = logged.of(path_).records;
  // Present is not durable: the name may be there from a run that died before it synced the folder.
  new_file_ = true;
  return ok();
}

Result<void> WarcWriter::begin_file() {
  begun_us_ = clock_.utc_us();
  WarcFileName name{compact_utc(begun_us_), 1};
  for (;; ++name.number) {
    path_ = "warc/" + name.text();
    auto file = DiskFile::open(vault_, path_, Open::create);
    if (!file && file.error().code == Code::exists) continue;
    if (!file) return std::move(file).error();
    file_ = std::move(file).value();
    break;
  }
  size_ = synced_ = named_ = records_ = 0;
  digest_.emplace();
  once_.clear();
  new_file_ = true;
  return ok();
}

WarcRecord WarcWriter::warcinfo(std::int64_t date_us) {
  WarcRecord record;
  record.type = "warcinfo";
  record.record_id = make_record_id(randomness_);
  record.date_us = date_us;
  record.headers = {{"Content-Type", "application/warc-fields"}, {"WARC-Filename", path_.substr(path_.find('/') + 1)}};
  add_field(record.block, "software", origin_.software);
  add_field(record.block, "format", "WARC File Format 1.1");
  add_field(record.block, "conformsTo",
            "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/");
  add_field(record.block, "operator", origin_.operator_name);
  add_field(record.block, "hostname", origin_.hostname);
  add_field(record.block, "isPartOf", origin_.is_part_of);
  add_field(
      record.block, "description",
      "Blocks of request and response records are the bytes of the connection, but for records with WARC-Protocol: "
      "h2, whose messages are written in the form of HTTP/1.1. WARC-Payload-Digest is over the body without its "
      "transfer coding, and left out where there was one. A metadata record says more of each response.");
  return record;
}

/// What must lie before the capture: the file's warcinfo, and what it has not had yet of what it needs once.
Result<PackedCapture> WarcWriter::needed_first(PackedCapture const& capture) {
  PackedCapture first;
  if (size_ == 0) IMPOUND_CHECK(pack(warcinfo(capture.date_us), first));
  std::set<std::string> named;
  for (WarcRecord const& record : capture.once_a_file)
    if (!once_.contains(record.target_uri) && named.insert(record.target_uri).second)
      IMPOUND_CHECK(pack(record, first));
  return first;
}

Result<std::vector<WrittenRecord>> WarcWriter::append(PackedCapture const& capture) {
  if (poisoned_) return *poisoned_;
  if (capture.records.empty()) return std::vector<WrittenRecord>{};
  if (!file_) IMPOUND_CHECK(begin_file());
  IMPOUND_TRY(first, needed_first(capture));
  std::uint64_t at = size_;
  for (PackedCapture const* one : {&std::as_const(first), &capture}) {
    if (one->members.empty()) continue;
    if (auto done = file_.write(at, bytes_of(one->members)); !done) {
      // Nothing of it may stay behind the last record. If it cannot be cut now, the next start does.
      if (auto cut = file_.truncate(size_); !cut) poisoned_ = cut.error();
      return std::move(done).error();
    }
    at += one->members.size();
  }
  std::vector<WrittenRecord> written;
  written.reserve(first.records.size() + capture.records.size());
  at = size_;
  for (PackedCapture const* one : {&std::as_const(first), &capture}) {
    for (PackedRecord const& record : one->records) {
      written.push_back({record.type, record.record_id, path_, at, record.length, record.sha256});
      at += record.length;
    }
    if (digest_) digest_->add(bytes_of(one->members));
  }
  for (WarcRecord const& record : capture.once_a_file) once_.insert(record.target_uri);
  size_ = at;
  records_ += written.size();
  return written;
}

Result<void> WarcWriter::sync() {
  if (poisoned_) return *poisoned_;
  if (!file_ || (synced_ == size_ && !new_file_)) return ok();
  auto synced = file_.sync();
  if (synced && new_file_) synced = vault_.sync_folder("warc");
  if (!synced) {
    poisoned_ = synced.error();
    return synced;
  }
  new_file_ = false;
  synced_ = size_;
  return ok();
}

Result<std::vector<WrittenRecord>> WarcWriter::write(std::span<WarcRecord const> capture) {
  PackedCapture packed;
  if (!capture.empty()) packed.date_us = capture.front().date_us;
  for (WarcRecord const& record : capture) {
    if (!record.record_id.empty()) {
      IMPOUND_CHECK(pack(record, packed));
      continue;
    }
    WarcRecord named = record;
    named.record_id = make_record_id(randomness_);
    IMPOUND_CHECK(pack(named, packed));
  }
  IMPOUND_TRY(written, append(packed));
  IMPOUND_CHECK(sync());
  return written;
}

Result<Sha256> WarcWriter::digest_of_file() {
  if (digest_) {
    Sha256 const digest = digest_->finish();
    digest_.reset();  // it has begun again: should the closing fail, the next one reads the file
    return digest;
  }
  std::vector<std::byte> block(256 * 1024);
  IMPOUND_TRY(hashed, hash_open_file(file_, size_, block));
  return hashed.sha256;
}

Result<std::optional<ClosedWarc>> WarcWriter::close_if_due() {
  if (poisoned_) return *poisoned_;
  bool const due =
      file_ && size_ > 0 && (size_ >= warc_file_bytes_max || clock_.utc_us() - begun_us_ >= warc_file_age_max_us);
  if (!due || named_ != size_) return std::optional<ClosedWarc>{};
  IMPOUND_CHECK(sync());
  IMPOUND_TRY(digest, digest_of_file());
  IMPOUND_CHECK(file_.set_mode(0400));
  if (auto synced = file_.sync(); !synced) {
    poisoned_ = synced.error();
    return std::move(synced).error();
  }
  file_.reset();
  return std::optional{ClosedWarc{path_, digest, size_, records_}};
}

}  // namespace impound::evidence
