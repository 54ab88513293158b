// read_canonical and read_entry: canonical bytes are taken, and only those that would be written again.
#include <cstddef>
#include <cstdint>

#include "evidence/custody_entry.h"
#include "evidence/values/must.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  if (auto const json = read_canonical(text)) must(canonical(json.value()) && canonical(json.value()).value() == text);
  if (auto const entry = evidence::read_entry(7, text)) must(entry.value().index == 7 && !entry.value().kind().empty());
  return 0;
}
