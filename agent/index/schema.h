// Private to agent/index: schema.sql, which the build puts into the program.
#pragma once

#include <string>
#include <vector>

namespace impound::index {

/// Its statements, without comments; none of them has "--" or a semicolon in a text.
std::vector<std::string> schema_statements();

}  // namespace impound::index
