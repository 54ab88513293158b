// A chain of redirects, hop by hop: what is asked for after the last answer. Any thread, beside others.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "evidence/system/clock.h"
#include "fetchers/http/client.h"
#include "fetchers/http/exchange.h"

namespace impound::fetchers {

/// What follows the last exchange of a chain: the next hop's request, or nothing. A hop that may not be made is added
/// to the chain, with its reason. `request`: the chain's first, `last`: the one that the last exchange is of. Headers
/// given in the first request go to its own origin only.
std::optional<HttpRequest> next_hop(std::vector<Exchange>& chain, HttpRequest const& request, HttpRequest const& last,
                                    Clock& clock, std::size_t hops_max);

}  // namespace impound::fetchers
