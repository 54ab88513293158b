// UTF-8 (RFC 3629), one character after the other: no overlong forms, no surrogates, nothing above U+10FFFF.
// Pure, any thread, any bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace impound {

struct Utf8Character {
  std::size_t bytes = 0;  // 0: the text does not begin with a character
  char32_t point = 0;
};

/// The character at the start of a text that is not empty.
inline Utf8Character first_character(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  char32_t const first = byte(0);
  if (first < 0x80) return {1, first};
  std::size_t const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > text.size()) return {};
  char32_t point = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    char32_t const more = byte(i);
    if ((more & 0xc0U) != 0x80U) return {};
    point = (point << 6) | (more & 0x3fU);
  }
  bool const overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (overlong || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return {};
  return {length, point};
}

}  // namespace impound
