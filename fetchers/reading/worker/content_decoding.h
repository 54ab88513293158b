// Undoes the content codings of an HTTP body (RFC 9110 §8.4): gzip, deflate (zlib or, as some servers send it, raw),
// br and zstd, also several on top of each other. In parts, in bounded memory, whatever comes.
//
// A bomb is refused by name: too many bytes, too large a ratio of what comes out to what went in, too much time. What
// came out before stays told. Several gzip members are one body; bytes behind the last one are passed over, as browsers
// do. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "evidence/values/result.h"

namespace impound::fetchers {

/// Takes the next part of a text or body.
using PartSink = std::function<Result<void>(std::string_view)>;

struct DecodingLimits {
  std::uint64_t bytes_max = 256u << 20;       // that come out of any coding
  std::uint64_t ratio_max = 200;              // bytes out for each byte in, once ratio_from came out
  std::uint64_t ratio_from = 8u << 20;        // small pages may be as repetitive as they like
  std::size_t codings_max = 4;                // on top of each other
  std::chrono::steady_clock::time_point end;  // refused when it has passed
};

/// Why a body was not decoded to its end.
enum class DecodingFault { none, unknown_coding, broken, cut_off, too_large, ratio, time, sink };

class ContentDecoder {
 public:
  /// `codings`: the Content-Encoding field's value, "" where there was none. An unknown one is a fault from the start.
  ContentDecoder(std::string_view codings, DecodingLimits const& limits, PartSink sink);
  ~ContentDecoder();

  /// Code::refused at a limit, Code::malformed for what is no such coding, or the sink's error; from then on the same.
  Result<void> write(std::string_view bytes);
  /// The body ends here; Code::malformed when it was cut off.
  Result<void> finish();

  DecodingFault fault() const { return fault_; }
  std::uint64_t bytes() const { return bytes_; }  // that came out of the last coding

  /// One coding; private to the .cpp.
  class Stage;

 private:
  Result<void> into(std::size_t stage, std::string_view bytes);
  Result<void> emit(std::size_t behind, std::string_view bytes);
  Error fail(DecodingFault fault, Code code, std::string what);

  DecodingLimits limits_;
  PartSink sink_;
  std::vector<std::unique_ptr<Stage>> stages_;  // in the order in which they are undone
  std::uint64_t bytes_ = 0;
  DecodingFault fault_ = DecodingFault::none;
  std::string what_;
  Code code_ = Code::malformed;
};

}  // namespace impound::fetchers
