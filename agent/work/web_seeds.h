// The web seeds of a torrent between what names them, the log and the worker: HTTP servers that have the payload, as
// url-list, httpseeds or a magnet's ws= say. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "agent/work/target.h"
#include "evidence/custody_entry.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/torrents/swarm_messages.h"

namespace impound::agent {

/// As it is written: a literal address that the table refuses is not asked, names are judged by what they resolve to,
/// in the worker. A part of a URL is read against the others there.
bool web_seed_allowed(std::string const& url, fetchers::AddressPolicy const& policy);

/// Those that the worker may ask. What is no URL of http or https, and no part of one, is none.
std::vector<fetchers::WebSeed> web_seeds_for(TorrentTarget const& target, fetchers::AddressPolicy const& policy);

/// What came of those that were asked; a URL that was never handed over is the worker's invention.
Json tried_web_seeds(std::vector<fetchers::TriedWebSeed> const& tried, std::vector<fetchers::WebSeed> const& asked);

/// Fields web_seeds and http_seeds of an entry's body, where there are some; of the target as many as are asked.
void add_web_seeds(Json& body, TorrentTarget const& target);
void add_web_seeds(Json& body, std::vector<fetchers::WebSeed> const& seeds);

}  // namespace impound::agent
