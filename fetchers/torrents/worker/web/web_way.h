// How web seeds are reached, and what came of them in words. Pure functions, any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/web/web_seeding.h"

namespace impound::fetchers {

/// By the route and the address table that the worker goes by. Code::malformed for ranges that are none.
Result<std::shared_ptr<WebWay const>> web_way(Configure const& from, int wake_descriptor);

/// For the record of whom a job asked: printable ASCII, bounded.
TriedWebSeed tried_web_seed(WebSeedTally const& tally, Metainfo const& torrent);

/// One sentence of what is wrong with them; "" when nothing is.
std::string complaints(std::vector<TriedWebSeed> const& seeds);

}  // namespace impound::fetchers
