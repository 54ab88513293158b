// Base64 (RFC 4648 §4) with padding. Reading is strict: one text for one value, so a signed note has one spelling.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/digest.h"

namespace impound {

std::string base64(Bytes bytes);

/// Nothing for a character outside the alphabet, wrong padding, or bits behind the last byte that are not zero.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace impound
