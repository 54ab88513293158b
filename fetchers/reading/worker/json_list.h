// Reads a site's list of new items from JSON (RFC 8259), by its profile. Foreign bytes: bounded in size, depth, values
// and items before anything is built; what is wrong is a Result error. Pure function, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/reading/page_facts.h"
#include "fetchers/sites/site_profile.h"

namespace impound::fetchers {

struct ListLimits {
  std::size_t bytes_max = 8u << 20;
  std::size_t depth_max = 16;
  std::size_t values_max = 500'000;    // strings, numbers, arrays, objects: what memory is spent on
  std::size_t items_max = 10'000;      // the profile's own limit counts, too
  std::size_t field_bytes_max = 4096;  // a longer title or author is cut there, at a character
};

struct ItemList {
  std::vector<ListedItem> items;  // in the site's order, each key once
  std::size_t unreadable = 0;     // entries without a key that fits the profile
  std::string unreadable_why;     // of the first of them
};

Result<ItemList> read_json_list(std::string_view body, SiteProfile const& profile, ListLimits const& limits);

}  // namespace impound::fetchers
