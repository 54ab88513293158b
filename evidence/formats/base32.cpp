#include "evidence/formats/base32.h"

namespace impound {

namespace {

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a';
  if (c >= '2' && c <= '7') return c - '2' + 26;
  return -1;
}

}  // namespace

std::optional<std::vector<std::byte>> from_base32(std::string_view text) {
  std::size_t const whole = text.size();
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (whole != text.size() && (whole % 8 != 0 || whole - text.size() > 6)) return std::nullopt;
  std::size_t const last = text.size() % 8;
  if (last == 1 || last == 3 || last == 6) return std::nullopt;
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() * 5 / 8);
  unsigned held = 0;
  unsigned bits = 0;
  for (char const c : text) {
    int const value = value_of(c);
    if (value < 0) return std::nullopt;
    held = (held << 5 | static_cast<unsigned>(value)) & 0xffffU;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::byte>(held >> bits & 0xffU));
    }
  }
  if ((held & ((1U << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace impound
