// Instants as the log and WARC write them: "2017-05-05T18:59:12.345678Z" (RFC 3339, UTC, always six digits).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impound {

/// `us`: microseconds since 1970-01-01T00:00:00Z, years 1970 to 9999.
std::string utc_text(std::int64_t us);

/// Reads what utc_text writes, also with 0 to 9 digits of a second; anything else gives nothing.
std::optional<std::int64_t> utc_us_from(std::string_view text);

}  // namespace impound
