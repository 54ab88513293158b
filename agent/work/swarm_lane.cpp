#include "agent/work/swarm_lane.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "agent/work/addresses.h"
#include "agent/work/places.h"
#include "agent/work/staging.h"

namespace impound::agent {

Result<void> SwarmLane::start(Session& session, Settings const& settings, fetchers::AddressPolicy const& policy) {
  if (swarm) return ok();
  std::string const path = staging_path(route.name);
  int const folder =
      ::openat(session.vault().disk().folder(), path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return from_errno(errno, "cannot open the folder", session.vault().path() + "/" + path);
  fetchers::SwarmSettings plan{own_folder() + "/impound-swarm-worker",
                               folder,
                               blocked_rules(policy),
                               allowed_rules(policy),
                               settings.user_agent,
                               {}};
  plan.way_out.proxy = route.proxy;
  if (settings.dht) plan.way_out.dht_nodes = settings.dht_bootstrap;
  plan.limits.payload_bytes_max = settings.torrent_bytes_max;
  plan.limits.files_max = settings.torrent_files_max;
  auto started = fetchers::Swarm::start(std::move(plan));
  ::close(folder);
  if (!started) return std::move(started).error();
  swarm = std::move(started).value();
  spdlog::info("worker=swarm route={} pid={} event=started", route.name, swarm->worker());
  return ok();
}

}  // namespace impound::agent
