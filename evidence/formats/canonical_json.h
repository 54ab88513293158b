// Canonical JSON (RFC 8785) for the subset that custody entries use: objects, arrays, non-empty strings, booleans and
// integers within ±(2^53-1). Floats, null, "", invalid UTF-8, deeper than 16 or larger numbers are refused, so that one
// value has exactly one spelling and every reader of JSON agrees on it. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "evidence/values/result.h"

namespace impound {

using Json = nlohmann::json;

inline constexpr std::size_t json_depth_max = 16;
inline constexpr std::int64_t json_integer_max = (std::int64_t{1} << 53) - 1;

/// The one spelling of `value`: no spaces, keys in order of their UTF-16 code units, no newline at the end.
Result<std::string> canonical(Json const& value);

/// Accepts only bytes that canonical() would write; anything else is Code::malformed.
Result<Json> read_canonical(std::string_view bytes);

/// A number as entries carry it: an integer up to 2^53-1, a decimal string beyond.
Json json_number(std::uint64_t number);

/// True when `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

}  // namespace impound
