// Robots: any file is read, and any path of it is judged.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fetchers/http/robots.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(bytes), size};
  auto const robots = impound::fetchers::Robots::read(text, "impound");
  robots.allows(text.substr(0, 2'048));
  robots.allows("/");
  return 0;
}
