#include "fetchers/http/exchange.h"

#include "fetchers/http/field_text.h"

namespace impound::fetchers {

std::optional<std::string_view> Exchange::header(std::string_view name) const {
  for (auto const& [found, value] : headers)
    if (same_name(found, name)) return value;
  return std::nullopt;
}

}  // namespace impound::fetchers
