// JSON as commands print it and files keep it: one line, and bytes that are no UTF-8 as U+FFFD. Any thread.
#pragma once

#include <cstdio>
#include <string>

#include "evidence/formats/canonical_json.h"

namespace impound::agent {

inline std::string json_line(Json const& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

inline void print_json(Json const& json) { std::printf("%s\n", json_line(json).c_str()); }

}  // namespace impound::agent
