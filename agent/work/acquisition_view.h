// One acquisition as a person sees it, out of what `show INFOHASH --json` says. Printed to stdout.
#pragma once

#include <string>

#include "evidence/formats/canonical_json.h"

namespace impound::agent {

/// Behind a file or exhibit whose bytes are gone by order: its field erased_by is the entry's number. "" without one.
std::string erased_text(Json const& json);

void print_acquisition(Json const& json);

}  // namespace impound::agent
