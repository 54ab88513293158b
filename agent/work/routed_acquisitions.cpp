#include "agent/work/routed_acquisitions.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace impound::agent {

namespace {

constexpr std::chrono::milliseconds turn{100};  // of one route while several have work

}  // namespace

Acquisitions& RoutedAcquisitions::by(Route const& route) {
  auto& acquisitions = by_route_[route.name];
  if (!acquisitions) acquisitions = std::make_unique<Acquisitions>(session_, settings_, policy_, route, terminal_);
  return *acquisitions;
}

Result<Begun> RoutedAcquisitions::begin(Wanted wanted) {
  OpenAcquisition const* const open = session_.past().open_for(wanted.target.hashes, wanted.metadata_only);
  std::string const name = open != nullptr ? open->route() : wanted.route;
  Route const* const route = routes_.find(name);
  if (route == nullptr)
    return Error{Code::usage, "an attempt at this torrent took the route \"" + shown(name, 64) + "\", which is gone",
                 open != nullptr ? open->attempt.text() : std::string(),
                 "Add it to the settings again: what began by one route does not go on by another"};
  IMPOUND_CHECK(check_torrents_allowed(*route, settings_.file));
  if (!by_route_.empty() && !by_route_.contains(route->name))
    return Error{Code::usage, "torrents take another route already, and one is all that this version can take",
                 "route \"" + route->name + "\"",
                 "Give sources that acquire the same route, or run them one after the other"};
  return by(*route).begin(std::move(wanted));
}

Result<std::size_t> RoutedAcquisitions::take_up_open() {
  std::set<std::string> names;
  for (auto const& [id, open] : session_.past().open_acquisitions())
    if (!open.by_person) names.insert(open.route());
  std::size_t count = 0;
  for (std::string const& name : names) {
    Route const* const route = routes_.find(name);
    if (route != nullptr && route->torrents && !by_route_.empty() && !by_route_.contains(name)) {
      terminal_.say("open acquisitions by the route \"" + shown(name, 64) + "\" wait: this run takes another");
      continue;
    }
    if (route == nullptr || !route->torrents) {
      terminal_.say("open acquisitions wait for the route \"" + shown(name, 64) +
                    (route == nullptr ? "\", which is no longer in the settings" : "\", which takes no torrents"));
      continue;
    }
    IMPOUND_TRY(taken_up, by(*route).take_up_open());
    count += taken_up;
  }
  return count;
}

Result<void> RoutedAcquisitions::pump(std::chrono::milliseconds wait, int wake_descriptor) {
  std::vector<Acquisitions*> busy;
  for (auto const& [name, acquisitions] : by_route_)
    if (!acquisitions->idle()) busy.push_back(acquisitions.get());
  auto const each = busy.size() > 1 ? std::min(wait, turn) : wait;
  for (Acquisitions* const one : busy) IMPOUND_CHECK(one->pump(each, wake_descriptor));
  return ok();
}

bool RoutedAcquisitions::idle() const {
  return std::all_of(by_route_.begin(), by_route_.end(), [](auto const& one) { return one.second->idle(); });
}

void RoutedAcquisitions::interrupt() {
  for (auto const& [name, acquisitions] : by_route_) acquisitions->interrupt();
}

std::vector<AcquisitionOutcome> RoutedAcquisitions::take_outcomes() {
  std::vector<AcquisitionOutcome> all;
  for (auto const& [name, acquisitions] : by_route_)
    std::ranges::move(acquisitions->take_outcomes(), std::back_inserter(all));
  return all;
}

}  // namespace impound::agent
