// Where a link that stands in prose, HTML, Markdown or JSON ends, and what it says once their escapes are undone. For
// fetchers/references alone; pure functions, linear in what they read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impound::fetchers {

/// Bytes of the link that begins at `at`: up to white space, a quote, < > | ` { } or their HTML entities, a bracket
/// that opened before the link, or the begin of another link; punctuation that ends a sentence is left out.
std::size_t link_length(std::string_view text, std::size_t at);

/// &amp; and \u0026 become &, \/ becomes /.
std::string without_escapes(std::string_view link);

}  // namespace impound::fetchers
