// corpus: frames
// What a reader worker may send: refused, or a value that makes the same frame again.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/reading/reader_messages.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  auto const frame = impound::decode_frame({reinterpret_cast<char const*>(bytes), size});
  if (!frame) return 0;
  static_cast<void>(static_cast<bool>(read_page_from(frame.value())));
  if (auto const message = from_reader_from(frame.value())) impound::must(to_frame(message.value()) == frame.value());
  return 0;
}
