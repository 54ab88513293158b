#include "fetchers/http/response_head.h"

#include "fetchers/http/field_text.h"

namespace impound::fetchers {

namespace {

void read_status_line(std::string_view line, ResponseHead& head) {
  auto const slash = line.find('/');
  auto const space = line.find(' ');
  if (slash == std::string_view::npos || space == std::string_view::npos || slash > space) return;
  head.version = std::string(line.substr(slash + 1, space - slash - 1));
  auto const code = trimmed(line.substr(space)).substr(0, 3);
  if (code.size() != 3) return;
  int status = 0;
  for (char const c : code) {
    if (c < '0' || c > '9') return;
    status = status * 10 + (c - '0');
  }
  head.status = status;
}

void read_header_line(std::string_view line, ResponseHead& head) {
  if (line.starts_with(' ') || line.starts_with('\t')) {
    if (head.headers.empty()) return;
    head.headers.back().second += ' ';
    head.headers.back().second += trimmed(line);
    return;
  }
  auto const colon = line.find(':');
  if (colon == std::string_view::npos) return;
  head.headers.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
}

}  // namespace

ResponseHead read_response_head(std::string_view bytes) {
  ResponseHead head;
  bool first = true;
  while (!bytes.empty()) {
    auto const feed = bytes.find('\n');
    auto line = bytes.substr(0, feed);
    bytes = feed == std::string_view::npos ? std::string_view{} : bytes.substr(feed + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    if (first)
      read_status_line(line, head);
    else
      read_header_line(line, head);
    first = false;
  }
  for (auto const& [name, value] : head.headers) {
    if (!same_name(name, "transfer-encoding")) continue;
    auto const comma = value.rfind(',');
    head.chunked =
        same_name(trimmed(std::string_view(value).substr(comma == std::string::npos ? 0 : comma + 1)), "chunked");
  }
  return head;
}

}  // namespace impound::fetchers
