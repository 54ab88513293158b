// A site's list of new items as it grows, entry by entry, whatever it is written in (json_list.h, markup_list.h).
//
// Foreign bytes: an entry without a key that fits the profile is counted and left out, fields are cut at their bound, a
// key counts once. One thread.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/reading/page_facts.h"
#include "fetchers/sites/site_profile.h"

namespace impound::fetchers {

struct ListLimits {
  std::size_t bytes_max = 8u << 20;
  std::size_t depth_max = 16;          // of JSON
  std::size_t values_max = 500'000;    // strings, numbers, arrays, objects, tags: what memory is spent on
  std::size_t items_max = 10'000;      // the profile's own limit counts, too
  std::size_t field_bytes_max = 4096;  // a longer title or author is cut there, at a character
  std::size_t steps_max = 20'000'000;  // of libxml2's, for all XPath expressions together
};

struct ItemList {
  std::vector<ListedItem> items;  // in the site's order, each key once
  std::size_t unreadable = 0;     // entries without a key that fits the profile
  std::string unreadable_why;     // of the first of them
};

/// An entry's fields as the site has them, "" where absent.
struct ListedFields {
  std::string key, title, author, time, raw{};
};

class ItemListing {
 public:
  ItemListing(SiteProfile const& profile, ListLimits const& limits) : profile_(profile), limits_(limits) {}

  /// Code::refused when the list has more entries than it may; asked before they are read.
  Result<void> check_count(std::size_t entries) const;
  void add(ListedFields fields);
  void add_unreadable(std::string why);
  ItemList finish() { return std::move(list_); }

 private:
  SiteProfile const& profile_;
  ListLimits const& limits_;
  ItemList list_;
  std::set<std::string, std::less<>> seen_;
};

/// When an item appeared, UTC: Unix seconds as digits, RFC 3339 with any offset (Atom), or RFC 5322's form (RSS) with
/// an offset in digits, GMT or UT. Nothing for what is none of them.
std::optional<std::int64_t> listed_time(std::string_view text);

/// Errors of a site's list.
Error malformed_list(std::string what);
Error refused_list(std::string what);

}  // namespace impound::fetchers
