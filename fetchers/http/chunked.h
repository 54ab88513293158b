// Undoes HTTP/1.1's chunked transfer coding (RFC 9112 §7.1) over bytes already received, bounded and without a copy of
// more than the body. Pure function, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impound::fetchers {

enum class ChunkedEnd {
  complete,   // last chunk, trailers and the closing empty line were there
  cut,        // well-formed up to where the bytes end
  malformed,  // no chunked coding from `used` on
};

struct Dechunked {
  std::string body;
  std::string trailers;  // the lines as received, each with its end of line
  std::size_t used = 0;  // bytes of the input that belong to the coding
  ChunkedEnd end = ChunkedEnd::cut;
};

Dechunked dechunk(std::string_view bytes);

}  // namespace impound::fetchers
