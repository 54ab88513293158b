#include "fetchers/http/chunked.h"

#include <cstdint>

namespace impound::fetchers {

namespace {

constexpr std::size_t line_bytes_max = 4096;  // a chunk's size with its extensions, a trailer
constexpr std::size_t trailer_bytes_max = 64 * 1024;

/// The line at `at` up to its LF (a CR before it is dropped), moving `at` behind it.
enum class Line { whole, cut, too_long };
Line next_line(std::string_view bytes, std::size_t& at, std::string_view& line) {
  auto const window = bytes.substr(at, line_bytes_max);
  auto const feed = window.find('\n');
  if (feed == std::string_view::npos) return window.size() == line_bytes_max ? Line::too_long : Line::cut;
  line = window.substr(0, feed);
  if (line.ends_with('\r')) line.remove_suffix(1);
  at += feed + 1;
  return Line::whole;
}

/// The hexadecimal number that a chunk's line begins with; at most 15 digits, so that it never overflows.
bool chunk_size(std::string_view line, std::uint64_t& size) {
  std::size_t digits = 0;
  size = 0;
  for (char const c : line) {
    unsigned value = 0;
    if (c >= '0' && c <= '9')
      value = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      value = static_cast<unsigned>(c - 'A') + 10;
    else
      break;
    if (++digits > 15) return false;
    size = size << 4 | value;
  }
  if (digits == 0) return false;
  return digits == line.size() || line[digits] == ';' || line[digits] == ' ' || line[digits] == '\t';
}

ChunkedEnd read_trailers(std::string_view bytes, std::size_t at, Dechunked& out) {
  while (true) {
    std::size_t const start = at;
    std::string_view line;
    auto const got = next_line(bytes, at, line);
    if (got == Line::cut) return ChunkedEnd::cut;
    if (got == Line::too_long) return ChunkedEnd::malformed;
    out.used = at;
    if (line.empty()) return ChunkedEnd::complete;
    if (out.trailers.size() + (at - start) > trailer_bytes_max) return ChunkedEnd::malformed;
    out.trailers.append(bytes.substr(start, at - start));
  }
}

}  // namespace

Dechunked dechunk(std::string_view bytes) {
  Dechunked out;
  std::size_t at = 0;
  while (true) {
    std::string_view line;
    auto const got = next_line(bytes, at, line);
    if (got != Line::whole) {
      out.end = got == Line::cut ? ChunkedEnd::cut : ChunkedEnd::malformed;
      return out;
    }
    std::uint64_t size = 0;
    if (!chunk_size(line, size)) {
      out.end = ChunkedEnd::malformed;
      return out;
    }
    out.used = at;
    if (size == 0) {
      out.end = read_trailers(bytes, at, out);
      return out;
    }
    auto const here = bytes.substr(at, size);
    out.body.append(here);
    at += here.size();
    out.used = at;
    if (here.size() < size) return out;
    auto const end = bytes.substr(at, 2);
    if (end == "\r\n")
      at += 2;
    else if (end.starts_with('\n'))
      at += 1;
    else {
      out.end = end.empty() || end == "\r" ? ChunkedEnd::cut : ChunkedEnd::malformed;
      return out;
    }
    out.used = at;
  }
}

}  // namespace impound::fetchers
