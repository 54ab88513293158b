#include "agent/work/routed_acquisitions.h"

#include <set>
#include <string>

namespace impound::agent {

Acquisitions& RoutedAcquisitions::by(Route const& route) {
  if (!acquisitions_) acquisitions_ = std::make_unique<Acquisitions>(session_, settings_, policy_, route, terminal_);
  taken_ = &route;
  return *acquisitions_;
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
  if (takes_another_than(*route))
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
    if (route == nullptr || !route->torrents) {
      terminal_.say("open acquisitions wait for the route \"" + shown(name, 64) +
                    (route == nullptr ? "\", which is no longer in the settings" : "\", which takes no torrents"));
      continue;
    }
    if (takes_another_than(*route)) {
      terminal_.say("open acquisitions by the route \"" + shown(name, 64) + "\" wait: this run takes another");
      continue;
    }
    IMPOUND_TRY(taken_up, by(*route).take_up_open());
    count += taken_up;
  }
  return count;
}

Result<void> RoutedAcquisitions::pump(std::chrono::milliseconds wait, int wake_descriptor) {
  if (idle()) return ok();
  return acquisitions_->pump(wait, wake_descriptor);
}

bool RoutedAcquisitions::idle() const { return !acquisitions_ || acquisitions_->idle(); }

void RoutedAcquisitions::interrupt() {
  if (acquisitions_) acquisitions_->interrupt();
}

std::vector<AcquisitionOutcome> RoutedAcquisitions::take_outcomes() {
  return acquisitions_ ? acquisitions_->take_outcomes() : std::vector<AcquisitionOutcome>{};
}

}  // namespace impound::agent
