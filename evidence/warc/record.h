// One WARC 1.1 record as a value (ISO 28500:2017), and its place once written, as `capture.result` names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evidence/formats/canonical_json.h"
#include "evidence/system/randomness.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct WarcRecord {
  std::string type;        // "request", "response", "resource", "metadata" …
  std::string record_id;   // "urn:uuid:…"; left empty, the writer makes one
  std::string target_uri;  // none for warcinfo
  std::int64_t date_us = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // the others, e.g. Content-Type, WARC-Concurrent-To
  std::string block;
  /// Where the payload starts in the block; gives WARC-Payload-Digest. Leave it out for a chunked body: the digest
  /// would have to be that of the body without its chunks, which the reader most people use computes wrongly.
  std::optional<std::size_t> payload_offset{};
  /// The block goes on with this, which is not copied and must be there until the record is packed: a body.
  std::string_view rest{};
  /// Of the payload, where it was worked out already; without it packing does.
  std::optional<Sha256> payload_sha256{};
};

/// A record's place. Found by `sha256`; file and offset are hints.
struct WrittenRecord {
  std::string type;
  std::string record_id;
  std::string file;          // "warc/…"
  std::uint64_t offset = 0;  // of its gzip member
  std::uint64_t length = 0;
  Sha256 sha256;  // of the gzip member
  bool operator==(WrittenRecord const&) const = default;
};

/// "urn:uuid:" and a version 4 UUID, for records that name each other (WARC-Concurrent-To: <…>).
std::string make_record_id(Randomness& randomness);

/// As it stands in the `records` of a capture.result: {"file","length","offset","record_id","sha256","type"}.
Json to_json(WrittenRecord const& record);
Result<WrittenRecord> written_record_from(Json const& json);

}  // namespace impound::evidence
