// How the swarm worker reaches others: by a proxy alone, or directly, and then the DHT if it has nodes to begin with.
// A part of Configure. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evidence/system/frames.h"
#include "fetchers/proxy.h"

namespace impound::fetchers {

constexpr std::size_t dht_nodes_max = 20;

struct WayOut {
  std::optional<Proxy> proxy{};        // then nothing else is dialled, no name is looked up, and there is no DHT
  std::vector<std::string> dht_nodes;  // HOST:PORT; none: the DHT (BEP 5) is not used
  bool dht() const { return !proxy && !dht_nodes.empty(); }
};

void add_way_out(Frame& frame, WayOut const& way_out);
/// Code::malformed for what add_way_out() would not write. `fields` counts those that were there.
Result<WayOut> way_out_from(Frame const& frame, std::size_t& fields);

}  // namespace impound::fetchers
