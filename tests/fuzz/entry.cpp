// read_canonical, read_entry and read_rotation: canonical bytes are taken, and only those that would be written again.
// What the lean reader of verify takes, read_entry takes as well, and reads alike.
#include <cstddef>
#include <cstdint>

#include "evidence/custody_entry.h"
#include "evidence/key_rotation.h"
#include "evidence/values/must.h"
#include "evidence/verify/lean_entry.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  if (auto const json = read_canonical(text)) must(canonical(json.value()) && canonical(json.value()).value() == text);
  auto const entry = evidence::read_entry(7, text);
  if (entry) {
    must(entry.value().index == 7 && !entry.value().kind().empty());
    if (auto const rotation = evidence::read_rotation(entry.value())) {
      must(evidence::may_be_rotation(text));
      (void)evidence::rotation_signed(rotation.value());
    }
  }
  if (auto const lean = evidence::read_lean_entry(text))
    must(entry && lean->kind == entry.value().kind() &&
         lean->id == evidence::read_id_bytes(entry.value().id().text()) && lean->size == entry.value().number("size"));
  return 0;
}
