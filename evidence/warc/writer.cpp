#include "evidence/warc/writer.h"

#include <algorithm>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"
#include "evidence/warc/file_name.h"
#include "evidence/warc/gzip_member.h"

namespace impound::evidence {

namespace {

constexpr std::uint32_t open_file_mode = 0600;

bool plain_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool plain_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<void> add_header(std::string& head, std::string_view name, std::string_view value) {
  if (!plain_name(name) || !plain_value(value))
    return Error{Code::refused, "a WARC header may hold no line end", std::string(name), {}};
  head.append(name).append(": ").append(value).append("\r\n");
  return ok();
}

/// "WARC/1.1" to the empty line.
Result<std::string> head_of(WarcRecord const& record) {
  std::string head = "WARC/1.1\r\n";
  IMPOUND_CHECK(add_header(head, "WARC-Type", record.type));
  IMPOUND_CHECK(add_header(head, "WARC-Record-ID", "<" + record.record_id + ">"));
  IMPOUND_CHECK(add_header(head, "WARC-Date", utc_text(record.date_us)));
  // WARC 1.1 has no angle brackets round the URI.
  if (!record.target_uri.empty()) IMPOUND_CHECK(add_header(head, "WARC-Target-URI", record.target_uri));
  for (auto const& [name, value] : record.headers) IMPOUND_CHECK(add_header(head, name, value));
  IMPOUND_CHECK(add_header(head, "WARC-Block-Digest", "sha256:" + hex(sha256(bytes_of(record.block)))));
  if (record.payload_offset) {
    if (*record.payload_offset > record.block.size())
      return Error{Code::refused, "the payload starts behind the block", record.record_id, {}};
    std::string_view const payload = std::string_view(record.block).substr(*record.payload_offset);
    IMPOUND_CHECK(add_header(head, "WARC-Payload-Digest", "sha256:" + hex(sha256(bytes_of(payload)))));
  }
  IMPOUND_CHECK(add_header(head, "Content-Length", std::to_string(record.block.size())));
  return head + "\r\n";
}

/// "20170505T185912Z" of "2017-05-05T18:59:12.345678Z".
std::string compact_utc(std::int64_t us) {
  std::string text = utc_text(us);
  text.resize(std::min<std::size_t>(text.size(), 19));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

}  // namespace

Result<std::unique_ptr<WarcWriter>> WarcWriter::open(Disk& vault, Clock& clock, Randomness& randomness,
                                                     std::string software) {
  auto writer = std::unique_ptr<WarcWriter>(new WarcWriter(vault, clock, randomness, std::move(software)));
  IMPOUND_CHECK(writer->take_on_open_file());
  return writer;
}

Result<void> WarcWriter::take_on_open_file() {
  IMPOUND_TRY(files, vault_.list("warc", 1'000'000));
  std::optional<WarcFileName> newest;
  for (FolderEntry const& file : files) {
    auto const name = WarcFileName::parse(file.name);
    if (file.type != FileFacts::Type::file || !name || (newest && *name < *newest)) continue;
    IMPOUND_TRY(facts, vault_.facts_of("warc/" + file.name));
    if (facts.mode == open_file_mode && facts.size > 0 && facts.size < warc_file_bytes_max) newest = name;
  }
  if (!newest) return ok();
  path_ = "warc/" + newest->text();
  IMPOUND_TRY(file, DiskFile::open(vault_, path_, Open::write));
  IMPOUND_TRY(facts, file.facts());
  file_ = std::move(file);
  size_ = facts.size;
  // Present is not durable: the name may be there from a run that died before it synced the folder.
  new_file_ = true;
  return ok();
}

Result<void> WarcWriter::begin_file() {
  file_.reset();
  WarcFileName name{compact_utc(clock_.utc_us()), 1};
  for (;; ++name.number) {
    path_ = "warc/" + name.text();
    auto file = DiskFile::open(vault_, path_, Open::create);
    if (!file && file.error().code == Code::exists) continue;
    if (!file) return std::move(file).error();
    file_ = std::move(file).value();
    break;
  }
  size_ = 0;
  new_file_ = true;
  return ok();
}

WarcRecord WarcWriter::warcinfo(std::int64_t date_us) {
  WarcRecord record;
  record.type = "warcinfo";
  record.record_id = make_record_id(randomness_);
  record.date_us = date_us;
  record.headers = {{"Content-Type", "application/warc-fields"}, {"WARC-Filename", path_.substr(path_.find('/') + 1)}};
  record.block = "software: " + software_ +
                 "\r\nformat: WARC File Format 1.1\r\n"
                 "conformsTo: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n";
  return record;
}

Result<WrittenRecord> WarcWriter::append(WarcRecord const& record, std::uint64_t offset) {
  IMPOUND_TRY(head, head_of(record));
  WrittenRecord written{record.type, record.record_id, path_, offset, 0, {}};
  Sha256Stream digest;
  auto const to_file = [&](Bytes bytes) -> Result<void> {
    IMPOUND_CHECK(file_.write(offset + written.length, bytes));
    digest.add(bytes);
    written.length += bytes.size();
    return ok();
  };
  IMPOUND_CHECK(compress_member({bytes_of(head), bytes_of(record.block), bytes_of("\r\n\r\n")}, to_file));
  written.sha256 = digest.finish();
  return written;
}

Result<std::vector<WrittenRecord>> WarcWriter::write(std::span<WarcRecord const> capture) {
  if (poisoned_) return *poisoned_;
  if (capture.empty()) return std::vector<WrittenRecord>{};
  if (!file_ || size_ >= warc_file_bytes_max) IMPOUND_CHECK(begin_file());
  std::vector<WrittenRecord> written;
  std::uint64_t end = size_;
  auto const append_all = [&]() -> Result<void> {
    WarcRecord first;
    if (size_ == 0) {
      first = warcinfo(capture.front().date_us);
      IMPOUND_TRY(place, append(first, end));
      end += place.length;
      written.push_back(std::move(place));
    }
    for (WarcRecord const& record : capture) {
      WarcRecord named;
      WarcRecord const* one = &record;
      if (record.record_id.empty()) {
        named = record;
        named.record_id = make_record_id(randomness_);
        one = &named;
      }
      IMPOUND_TRY(place, append(*one, end));
      end += place.length;
      written.push_back(std::move(place));
    }
    return ok();
  };
  if (auto appended = append_all(); !appended) {
    // Nothing of it may stay behind the last logged record. If it cannot be cut now, the next start does.
    if (auto cut = file_.truncate(size_); !cut) poisoned_ = cut.error();
    return std::move(appended).error();
  }
  auto synced = file_.sync();
  if (synced && new_file_) synced = vault_.sync_folder("warc");
  if (!synced) {
    poisoned_ = synced.error();
    return std::move(synced).error();
  }
  new_file_ = false;
  size_ = end;
  return written;
}

}  // namespace impound::evidence
