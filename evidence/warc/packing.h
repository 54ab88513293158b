// A capture's records as the bytes that go into a WARC file: head, block and digests of each, compressed to one gzip
// member each.
//
// pack() is all the work that does not need the file, so it may run in any thread, beside others and beside the one
// that writes; WarcWriter::append() then only places the bytes. What it makes is WARC 1.1 (ISO 28500:2017), digests as
// sha256:<hex>, the block's over the whole block. Code::refused for a header that would break the format,
// Code::usage for a record without an id.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

struct PackedRecord {
  std::string type;
  std::string record_id;
  std::uint64_t length = 0;  // of its gzip member
  Sha256 sha256;             // of its gzip member
};

struct PackedCapture {
  std::int64_t date_us = 0;           // of its first record
  std::string members;                // one behind the other
  std::vector<PackedRecord> records;  // of `members`, in their order
  /// What a file needs once, whichever captures name it (by its target URI, which stands for its bytes): a chain of
  /// certificates. The writer puts it before the first capture that names it.
  std::vector<WarcRecord> once_a_file{};
};

Result<PackedCapture> pack(std::span<WarcRecord const> records);

/// One more record behind those of `into`.
Result<void> pack(WarcRecord const& record, PackedCapture& into);

}  // namespace impound::evidence
