// What kind of bytes these are, by libmagic, whatever their sender called them.
//
// libmagic reads its database from a file, so load_media_types() must run before the sandbox. One thread.
#pragma once

#include <string>
#include <string_view>

#include "evidence/values/result.h"

namespace impound::fetchers {

/// Loads the database, once. Code::io when it cannot.
Result<void> load_media_types();

/// "text/html", "application/zip"; "application/octet-stream" for what is nothing known, "" when nothing was loaded or
/// libmagic failed. `first`: the first 64 KiB at most. At most 100 printable ASCII characters.
std::string media_type_of(std::string_view first);

/// Worth being read as text: text/*, and what is text by another name (JSON, XML, unknown bytes).
bool may_be_text(std::string_view media_type);

}  // namespace impound::fetchers
