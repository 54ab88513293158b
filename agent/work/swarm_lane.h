// A route's own swarm worker: started when a torrent first needs it, with a staging folder of its own, and which of its
// torrents run after it died.
//
// Two routes never share a worker: its gate and libtorrent's settings are those of one way out. Nor a staging folder: a
// worker that was taken over has nothing of the other's.
// One thread, as fetchers/torrents/swarm.h has it.
#pragma once

#include <memory>

#include "agent/settings/settings.h"
#include "agent/work/job_revival.h"
#include "agent/work/routes.h"
#include "agent/work/session.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/torrents/swarm.h"

namespace impound::agent {

struct SwarmLane {
  explicit SwarmLane(Route const& way) : route(way) {}

  /// Starts the worker when none runs; its staging folder is there. Code::io and the like: what the kernel said.
  Result<void> start(Session& session, Settings const& settings, fetchers::AddressPolicy const& policy);
  bool runs() const { return swarm != nullptr; }

  Route const& route;
  std::unique_ptr<fetchers::Swarm> swarm{};
  JobRevival revival{RevivalLimits{}};  // which of its torrents run
  bool uploaded = false;                // the worker said so, and was told to end
};

}  // namespace impound::agent
