#include "evidence/warc/packing.h"

#include <algorithm>
#include <string_view>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"
#include "evidence/warc/gzip_member.h"

namespace impound::evidence {

namespace {

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

std::string digest_text(Sha256 const& digest) { return "sha256:" + hex(digest); }

Result<Sha256> payload_digest(WarcRecord const& record) {
  if (record.payload_sha256) return *record.payload_sha256;
  if (*record.payload_offset > record.block.size())
    return Error{Code::refused, "the payload starts behind the block", record.record_id, {}};
  Sha256Stream digest;
  digest.add(bytes_of(std::string_view(record.block).substr(*record.payload_offset)));
  digest.add(bytes_of(record.rest));
  return digest.finish();
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
  Sha256Stream block;
  block.add(bytes_of(record.block));
  block.add(bytes_of(record.rest));
  IMPOUND_CHECK(add_header(head, "WARC-Block-Digest", digest_text(block.finish())));
  if (record.payload_offset || record.payload_sha256) {
    IMPOUND_TRY(payload, payload_digest(record));
    IMPOUND_CHECK(add_header(head, "WARC-Payload-Digest", digest_text(payload)));
  }
  IMPOUND_CHECK(add_header(head, "Content-Length", std::to_string(record.block.size() + record.rest.size())));
  return head + "\r\n";
}

}  // namespace

Result<void> pack(WarcRecord const& record, PackedCapture& into) {
  if (record.record_id.empty()) return Error{Code::usage, "a WARC record without an id", record.target_uri, {}};
  IMPOUND_TRY(head, head_of(record));
  std::size_t const start = into.members.size();
  IMPOUND_CHECK(append_member({bytes_of(head), bytes_of(record.block), bytes_of(record.rest), bytes_of("\r\n\r\n")},
                              into.members));
  std::string_view const member = std::string_view(into.members).substr(start);
  into.records.push_back({record.type, record.record_id, member.size(), sha256(bytes_of(member))});
  return ok();
}

Result<PackedCapture> pack(std::span<WarcRecord const> records) {
  PackedCapture capture;
  if (!records.empty()) capture.date_us = records.front().date_us;
  for (WarcRecord const& record : records) IMPOUND_CHECK(pack(record, capture));
  return capture;
}

}  // namespace impound::evidence
