// read_site_profile: settings may be wrong in every way, and say so.
#include <cstddef>
#include <cstdint>

#include "fetchers/sites/site_profile.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  (void)impound::fetchers::read_site_profile({reinterpret_cast<char const*>(bytes), size}, "fuzz.toml");
  return 0;
}
