// dechunk: never longer than what came, whatever the lengths in it say.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/http/chunked.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  auto const body = impound::fetchers::dechunk({reinterpret_cast<char const*>(bytes), size});
  impound::must(body.body.size() <= size);
  return 0;
}
