#include "fetchers/torrents/worker/tried_sources.h"

#include "fetchers/torrents/printable.h"

namespace impound::fetchers {

void TriedSources::begin(std::vector<std::string> const& trackers) {
  for (auto const& url : trackers)
    if (tried_.trackers.size() < tried_trackers_max && tracker(url) == nullptr)
      tried_.trackers.push_back({url, 0, 0, 0, {}});
}

void TriedSources::leave_out(std::string_view url, std::string why) {
  if (auto* const one = tracker(url)) one->last = std::move(why);
}

TriedTracker* TriedSources::tracker(std::string_view url) {
  auto const found = std::find_if(tried_.trackers.begin(), tried_.trackers.end(),
                                  [url](TriedTracker const& one) { return one.url == url; });
  return found == tried_.trackers.end() ? nullptr : &*found;
}

void TriedSources::take(lt::alert const& alert) {
  if (auto const* reply = lt::alert_cast<lt::tracker_reply_alert>(&alert)) {
    auto* const one = tracker(reply->tracker_url());
    if (one == nullptr) return;
    ++one->answers;
    one->peers = std::max(one->peers, static_cast<std::uint64_t>(std::max(reply->num_peers, 0)));
    one->last = "answered";
  } else if (auto const* error = lt::alert_cast<lt::tracker_error_alert>(&alert)) {
    auto* const one = tracker(error->tracker_url());
    if (one == nullptr) return;
    ++one->failures;
    std::string const said = error->failure_reason();
    one->last = printable(said.empty() ? error->error.message() : "said: " + said, tried_last_bytes_max);
  } else if (auto const* connect = lt::alert_cast<lt::peer_connect_alert>(&alert)) {
    if (connect->direction == lt::peer_connect_alert::direction_t::out) ++tried_.peers_reached;
  } else if (lt::alert_cast<lt::peer_disconnected_alert>(&alert) != nullptr) {
    ++tried_.peers_lost;
  }
}

Tried TriedSources::told(std::string const& job) const {
  Tried told = tried_;
  told.job = job;
  return told;
}

}  // namespace impound::fetchers
