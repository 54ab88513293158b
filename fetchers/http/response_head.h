// Reads an HTTP/1.x response head (RFC 9112 §4, §5) that is whole and bounded already. Lenient as clients are: LF alone
// ends a line, a folded line continues its header, a line without a colon is passed over. Pure function, any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impound::fetchers {

struct ResponseHead {
  int status = 0;
  std::string version;  // "1.1"
  std::vector<std::pair<std::string, std::string>> headers;
  bool chunked = false;  // the last transfer coding is chunked
};

ResponseHead read_response_head(std::string_view head);

}  // namespace impound::fetchers
