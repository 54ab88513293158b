// What a captured page names, told and sorted: the entry's body, and what of it can be acquired. Pure; any thread.
#pragma once

#include <vector>

#include "agent/work/capture.h"
#include "agent/work/target.h"
#include "evidence/formats/canonical_json.h"
#include "fetchers/reading/page_facts.h"
#include "fetchers/url.h"

namespace impound::agent {

/// reference.found of a capture: {"counts","first","total"}.
Json references_body(std::vector<fetchers::FoundReference> const& found);

/// Torrents that are named by a magnet, and links to .torrent files, each made absolute; in the page's order, so many
/// of both together at most. Doubtful links are left out.
struct Acquirable {
  std::vector<TorrentTarget> torrents;
  std::vector<fetchers::Url> links;
};
inline constexpr std::size_t acquirable_max = 1'000;
Acquirable acquirable(std::vector<fetchers::FoundReference> const& found, Captured const& captured);

}  // namespace impound::agent
