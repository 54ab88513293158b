// corpus: magnets
// parse_magnet: whatever is taken has a canonical form that is taken again and means the same.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/references/magnet.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  if (auto const magnet = parse_magnet(text, MagnetLimits{})) {
    auto const again = parse_magnet(magnet.value().canonical, MagnetLimits{});
    impound::must(again && again.value().hashes == magnet.value().hashes);
    impound::must(again.value().canonical == magnet.value().canonical);
  }
  if (auto const hash = parse_info_hash(text))
    impound::must(bool(parse_magnet(hash.value().canonical, MagnetLimits{})));
  return 0;
}
