// corpus: texts magnets
// scan: every reference stands where it says, in order, and makes a line of JSON.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/references/scanner.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  std::size_t before = 0;
  for (auto const& reference : scan(text, ScanLimits{})) {
    impound::must(reference.offset >= before && reference.length == reference.text.size());
    impound::must(text.substr(reference.offset, reference.length) == reference.text);
    before = reference.offset;
    static_cast<void>(
        to_json(reference, text.substr(0, 64)).dump(-1, ' ', false, impound::Json::error_handler_t::strict).size());
  }
  return 0;
}
