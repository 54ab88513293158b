#include "fetchers/http/robots.h"

#include <algorithm>

#include "fetchers/http/field_text.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t bytes_max = 500u << 10;
constexpr std::size_t line_bytes_max = 2'048;
constexpr std::size_t rules_max = 10'000;
constexpr std::size_t steps_max = 20'000'000;

/// The product token that a user-agent line begins with: letters, '-' and '_'.
std::string_view product_of(std::string_view value) {
  auto const end = std::find_if_not(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
  return value.substr(0, static_cast<std::size_t>(end - value.begin()));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

/// So that /%7Efoo and /~foo are one, and a letter beyond ASCII is its UTF-8 percent-encoded: §2.2.2 compares so. '*'
/// and '$' of a pattern stay; encoded ones are no wildcards.
std::string compared(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  auto const encode = [&](unsigned char c) {
    out += '%';
    out += digits[c >> 4];
    out += digits[c & 15];
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    if (c == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      char const meant = static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
      if (unreserved(meant))
        out += meant;
      else
        encode(static_cast<unsigned char>(meant));
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      encode(static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

/// At most one length times the other: after a '*' that fits, an earlier one is never tried again.
bool matches(std::string_view pattern, std::string_view path, std::size_t& steps) {
  bool const anchored = pattern.ends_with('$');
  if (anchored) pattern.remove_suffix(1);
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, from = 0;
  while (true) {
    if (steps == 0) return false;
    --steps;
    if (p == pattern.size() && (!anchored || t == path.size())) return true;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && t < path.size() && pattern[p] == path[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos && from < path.size()) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
}

}  // namespace

Robots Robots::read(std::string_view text, std::string_view product) {
  text = text.substr(0, bytes_max);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Robots ours, others;
  bool names_us = false, names_all = false;  // the group that is being read
  bool found_us = false;                     // any did
  bool in_agents = false;                    // the last line that counted was a user-agent
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, std::min(end, line_bytes_max));
    text.remove_prefix(std::min(end + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    auto const colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view const name = trimmed(line.substr(0, colon));
    std::string_view const value = trimmed(line.substr(colon + 1));
    if (same_name(name, "user-agent")) {
      if (!in_agents) names_us = names_all = false;
      in_agents = true;
      names_all |= value == "*";
      names_us |= !product.empty() && same_name(product_of(value), product);
      found_us |= names_us;
      continue;
    }
    bool const allow = same_name(name, "allow");
    if (!allow && !same_name(name, "disallow")) continue;  // Sitemap and the like belong to no group
    in_agents = false;
    if (value.empty()) continue;  // "Disallow:" asks nothing
    Rule const rule{compared(value), allow};
    if (names_us && ours.rules_.size() < rules_max) ours.rules_.push_back(rule);
    if (names_all && others.rules_.size() < rules_max) others.rules_.push_back(rule);
  }
  return found_us ? ours : others;
}

Robots Robots::closed() {
  Robots none;
  none.rules_.push_back({"/", false});
  return none;
}

bool Robots::allows(std::string_view path) const {
  if (path == "/robots.txt") return true;
  std::string const asked = compared(path);
  std::size_t longest = 0;
  bool allowed = true;
  std::size_t steps = steps_max;
  for (Rule const& rule : rules_) {
    if (rule.pattern.size() < longest || !matches(rule.pattern, asked, steps)) continue;
    allowed = rule.allow || (allowed && rule.pattern.size() == longest);
    longest = rule.pattern.size();
  }
  return allowed && steps > 0;
}

}  // namespace impound::fetchers
