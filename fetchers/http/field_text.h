// Small things that every reader of HTTP's lines does. For fetchers/http alone; pure.
#pragma once

#include <strings.h>

#include <string_view>

namespace impound::fetchers {

/// Without blanks, tabs and carriage returns round it.
inline std::string_view trimmed(std::string_view text) {
  auto const blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// In whatever case (RFC 9110 §5.1).
inline bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace impound::fetchers
