#include "evidence/values/entry_id.h"

#include <array>
#include <cstddef>

#include "evidence/formats/hex.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"

namespace impound {

EntryId EntryId::make(Clock& clock, Randomness& randomness) {
  std::array<std::byte, 16> id{};
  randomness.fill(id);
  auto const ms = static_cast<std::uint64_t>(clock.utc_us() / 1000);
  for (int i = 0; i < 6; ++i) id[static_cast<std::size_t>(i)] = static_cast<std::byte>(ms >> (40 - 8 * i));
  id[6] = (id[6] & std::byte{0x0f}) | std::byte{0x70};
  id[8] = (id[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string const digits = hex(id);
  return EntryId{digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
                 digits.substr(16, 4) + "-" + digits.substr(20)};
}

std::optional<EntryId> EntryId::parse(std::string_view text) {
  if (text.size() != 36 || text[14] != '7') return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const dash = i == 8 || i == 13 || i == 18 || i == 23;
    char const c = text[i];
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  }
  return EntryId{std::string(text)};
}

}  // namespace impound
