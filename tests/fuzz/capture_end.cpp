// corpus: capture_end
// The block that ends a capture in WARC, as a start reads it from what a crash left: it is under no signature then.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "evidence/warc/capture_end.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  auto const end = evidence::capture_end_from(text);
  if (!end) return 0;
  Json again = Json::object();
  evidence::add_capture_end(again, *end);
  auto const block = canonical(again);
  must(block.has_value());
  auto const read = evidence::capture_end_from(block.value());
  must(read && read->attempt == end->attempt && read->records == end->records && read->result == end->result);
  return 0;
}
