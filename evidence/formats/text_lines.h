// Lines and numbers of the text formats of a log: what has one meaning has one spelling. Pure, any thread, any bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace impound {

/// Takes the text up to the next newline off `rest`, and the newline; nothing when no newline is left.
std::optional<std::string_view> take_line(std::string_view& rest);

/// A decimal number without sign and leading zeros, at most `max`.
std::optional<std::uint64_t> decimal(std::string_view text, std::uint64_t max);

}  // namespace impound
