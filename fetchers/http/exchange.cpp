#include "fetchers/http/exchange.h"

#include <strings.h>

namespace impound::fetchers {

std::optional<std::string_view> Exchange::header(std::string_view name) const {
  for (auto const& [found, value] : headers)
    if (found.size() == name.size() && strncasecmp(found.data(), name.data(), name.size()) == 0) return value;
  return std::nullopt;
}

}  // namespace impound::fetchers
