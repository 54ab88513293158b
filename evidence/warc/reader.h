// Walks a .warc.gz member by member in bounded memory, whatever its bytes: 64 KiB in, 64 KiB out, one head of a record.
//
// For each gzip member: where it lies, the SHA-256 of its bytes, the head of the record in it and the SHA-256 of the
// block; the block itself goes to `sink` piece by piece. A member must hold exactly one record whose block has the
// length it declares, and inflates to at most `member_bytes_max`; else the walk ends with Code::malformed or
// Code::refused, at the member's offset. Any one thread. Source: RFC 1952 (gzip), ISO 28500:2017.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct WarcReadLimits {
  std::size_t head_bytes_max = 64 * 1024;  // "WARC/1.1" to the empty line
  std::size_t headers_max = 256;
  std::uint64_t member_bytes_max = 16ull << 30;  // inflated
};

struct WarcMember {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Sha256 sha256;                                             // of the gzip member
  std::string version;                                       // "WARC/1.1"
  std::vector<std::pair<std::string, std::string>> headers;  // in their order, names as written
  std::uint64_t block_bytes = 0;
  Sha256 block_sha256;

  /// The first header of that name, in whatever case.
  std::optional<std::string_view> header(std::string_view name) const;
};

class WarcReader {
 public:
  static Result<std::unique_ptr<WarcReader>> open(Disk& vault, std::string_view path, WarcReadLimits const& limits);
  ~WarcReader();

  /// The next member, or none at the end of the file. `sink` gets the block's bytes.
  Result<std::optional<WarcMember>> next(std::function<void(Bytes)> const& sink = {});
  /// Goes on with the member at `offset` instead.
  void seek(std::uint64_t offset);

 private:
  struct State;
  explicit WarcReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace impound::evidence
