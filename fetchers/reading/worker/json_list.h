// Reads a site's list of new items from JSON (RFC 8259), by its profile. Foreign bytes: bounded in size, depth, values
// and items before anything is built; what is wrong is a Result error. Pure function, any thread.
#pragma once

#include <string_view>

#include "evidence/values/result.h"
#include "fetchers/reading/worker/item_list.h"

namespace impound::fetchers {

Result<ItemList> read_json_list(std::string_view body, SiteProfile const& profile, ListLimits const& limits);

}  // namespace impound::fetchers
