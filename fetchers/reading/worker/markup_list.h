// Reads a site's list of new items from XML (RSS 2.0, RSS 1.0, Atom: RFC 4287, any other) or HTML, by the XPath 1.0
// expressions of its profile. Known prefixes: atom, rss (1.0), rdf, dc, content, media, torrent.
//
// Foreign bytes, over libxml2: bounded in size, tags, steps of expressions and items; nothing is loaded, and a document
// that declares entities is refused. What is wrong is a Result error. Pure function, any thread.
#pragma once

#include <string_view>

#include "evidence/values/result.h"
#include "fetchers/reading/worker/item_list.h"

namespace impound::fetchers {

/// `body`: UTF-8, whatever it declares.
Result<ItemList> read_markup_list(std::string_view body, SiteProfile const& profile, ListLimits const& limits);

}  // namespace impound::fetchers
