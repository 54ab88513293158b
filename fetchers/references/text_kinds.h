// Characters and separators that the rules for references share. Header only, for fetchers/references alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impound::fetchers {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_hex(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }

constexpr bool starts_with_ci(std::string_view text, std::string_view start) {
  if (text.size() < start.size()) return false;
  for (std::size_t i = 0; i < start.size(); ++i)
    if (lower(text[i]) != start[i]) return false;
  return true;
}

constexpr bool ends_with_ci(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && starts_with_ci(text.substr(text.size() - end.size()), end);
}

/// `start` (lowercase) at or behind `from`, in any case.
constexpr std::size_t find_ci(std::string_view text, std::string_view wanted, std::size_t from = 0) {
  for (std::size_t at = from; at + wanted.size() <= text.size(); ++at)
    if (lower(text[at]) == wanted[0] && starts_with_ci(text.substr(at), wanted)) return at;
  return std::string_view::npos;
}

/// Length of an ampersand at the start of `text`, as text, HTML or JSON spell it, doubly escaped ones too; 0 if there
/// is none.
constexpr std::size_t ampersand(std::string_view text) {
  if (starts_with_ci(text, "\\u0026")) return 6;
  if (text.empty() || text[0] != '&') return 0;
  std::size_t at = 1;
  for (bool more = true; more;) {
    more = false;
    for (std::string_view const name : {"amp;", "#38;", "#038;", "#x26;"})
      if (starts_with_ci(text.substr(at), name)) {
        at += name.size();
        more = true;
      }
  }
  return at;
}

constexpr unsigned hex_value(char c) {
  return is_digit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>(lower(c) - 'a') + 10;
}

/// %XX undone; a % that no two hex digits follow stays as it is.
inline std::string percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
      out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace impound::fetchers
