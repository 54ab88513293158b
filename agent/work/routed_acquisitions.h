// Acquisitions by a route of the settings, so that nothing of a torrent leaves by another way than that of its cause.
// An attempt that an earlier run left open goes on by the route that it names.
//
// Gap: a run takes one route, that of its first acquisition. Workers of two routes would wait for each other's lock on
// staging/swarm.
// One thread, as acquisition.h has it.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "agent/work/acquisition.h"
#include "agent/work/routes.h"

namespace impound::agent {

class RoutedAcquisitions {
 public:
  RoutedAcquisitions(Session& session, Settings const& settings, fetchers::AddressPolicy const& policy,
                     Routes const& routes, Terminal& terminal)
      : session_(session), settings_(settings), policy_(policy), routes_(routes), terminal_(terminal) {}

  /// By `wanted.route`, or by that of the attempt it goes on with. Code::usage for a route that takes no torrents, or
  /// that is no longer in the settings.
  Result<Begun> begin(Wanted wanted);
  Result<std::size_t> take_up_open();
  Result<void> pump(std::chrono::milliseconds wait, int wake_descriptor);
  bool idle() const;
  void interrupt();
  std::vector<AcquisitionOutcome> take_outcomes();

 private:
  bool takes_another_than(Route const& route) const { return taken_ != nullptr && taken_ != &route; }
  Acquisitions& by(Route const& route);

  Session& session_;
  Settings const& settings_;
  fetchers::AddressPolicy const& policy_;
  Routes const& routes_;
  Terminal& terminal_;
  Route const* taken_ = nullptr;
  std::unique_ptr<Acquisitions> acquisitions_;  // by `taken_`; none before the first
};

}  // namespace impound::agent
