#include "evidence/formats/base64.h"

#include <array>

namespace impound {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> values = [] {
  std::array<signed char, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
  return table;
}();

}  // namespace

std::string base64(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t const have = bytes.size() - i;
    unsigned group = std::to_integer<unsigned>(bytes[i]) << 16;
    if (have > 1) group |= std::to_integer<unsigned>(bytes[i + 1]) << 8;
    if (have > 2) group |= std::to_integer<unsigned>(bytes[i + 2]);
    text += alphabet[group >> 18];
    text += alphabet[(group >> 12) & 63];
    text += have > 1 ? alphabet[(group >> 6) & 63] : '=';
    text += have > 2 ? alphabet[group & 63] : '=';
  }
  return text;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() * 3 / 4);
  unsigned held = 0;
  unsigned bits = 0;
  for (char const c : text) {
    int const value = values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    held = (held << 6 | static_cast<unsigned>(value)) & 0xffffU;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::byte>(held >> bits & 0xffU));
    }
  }
  if ((held & ((1U << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace impound
