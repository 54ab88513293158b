#include "fetchers/references/link_extent.h"

#include "fetchers/references/text_kinds.h"

namespace impound::fetchers {

namespace {

/// &quot; &lt; and kin end a link as the characters do that they stand for.
bool closing_entity(std::string_view text) {
  for (std::string_view const name : {"quot;", "lt;", "gt;", "apos;", "nbsp;", "#34;", "#39;", "#039;", "#60;", "#62;",
                                      "#x22;", "#x27;", "#x3c;", "#x3e;"})
    if (starts_with_ci(text.substr(1), name)) return true;
  return false;
}

bool delimiter(char c) {
  auto const byte = static_cast<unsigned char>(c);
  return byte <= ' ' || byte == 0x7f || std::string_view("\"'<>|`{}").find(c) != std::string_view::npos;
}

/// Lists without spaces: "http://a/x.torrent,http://b/y.torrent". After / = ? & and % a URL is part of the one around
/// it.
bool another_link(std::string_view text, std::size_t at) {
  if (lower(text[at]) == 'm') return starts_with_ci(text.substr(at), "magnet:?");
  if (lower(text[at]) != 'h' || std::string_view("/=?&%").find(text[at - 1]) != std::string_view::npos) return false;
  return starts_with_ci(text.substr(at), "http://") || starts_with_ci(text.substr(at), "https://");
}

}  // namespace

std::size_t link_length(std::string_view text, std::size_t at) {
  std::size_t end = at;
  int round = 0, square = 0;
  for (; end < text.size(); ++end) {
    char const c = text[end];
    if (delimiter(c)) break;
    if (c == '&' && closing_entity(text.substr(end))) break;
    if (c == '\\' && ampersand(text.substr(end)) == 0 && !text.substr(end).starts_with("\\/")) break;
    if (c == '(') ++round;
    if (c == '[') ++square;
    if (c == ')' && --round < 0) break;
    if (c == ']' && --square < 0) break;
    if (end > at && another_link(text, end)) break;
    // Scripts without spaces: the sentence goes on right behind the link.
    if (static_cast<unsigned char>(c) >= 0x80 && ends_with_ci(text.substr(at, end - at), ".torrent")) break;
  }
  while (end > at && std::string_view(".,;:!?*").find(text[end - 1]) != std::string_view::npos) --end;
  return end - at;
}

std::string without_escapes(std::string_view link) {
  std::string out;
  out.reserve(link.size());
  while (!link.empty()) {
    if (auto const length = ampersand(link)) {
      out += '&';
      link.remove_prefix(length);
    } else {
      if (link.starts_with("\\/")) link.remove_prefix(1);
      out += link.front();
      link.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace impound::fetchers
