#include "fetchers/torrents/tried_message.h"

#include <utility>

namespace impound::fetchers {

namespace {

Error malformed() { return Error{Code::malformed, "a worker's message is malformed: what was tried", {}, {}}; }

Result<TriedTracker> tracker_from(Frame const& row) {
  if (!row.is_array() || row.size() != 5 || !row[0].is_binary() || !row[4].is_string()) return malformed();
  std::uint64_t counts[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!row[i + 1].is_number_unsigned() || row[i + 1].get<std::uint64_t>() >= (std::uint64_t{1} << 53))
      return malformed();
    counts[i] = row[i + 1].get<std::uint64_t>();
  }
  auto const& url = row[0].get_binary();
  TriedTracker tracker{{url.begin(), url.end()}, counts[0], counts[1], counts[2], row[4].get<std::string>()};
  if (tracker.last.size() > tried_last_bytes_max) return malformed();
  return tracker;
}

}  // namespace

Frame frame_of_tried(Tried const& message) {
  Frame rows = Frame::array();
  for (auto const& one : message.trackers)
    rows.push_back(Frame::array({bytes_value(one.url), one.answers, one.failures, one.peers, one.last}));
  return {{"t", "tried"},
          {"job", message.job},
          {"trackers", std::move(rows)},
          {"known", message.peers_known},
          {"reached", message.peers_reached},
          {"lost", message.peers_lost},
          {"dht", message.dht},
          {"dht_peers", message.dht_peers}};
}

Result<FromWorker> tried_from(Frame const& frame) {
  auto const dht = frame.find("dht");
  if (frame.size() != 8 || dht == frame.end() || !dht->is_boolean()) return malformed();
  Tried message;
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(known, frame_number(frame, "known"));
  IMPOUND_TRY(reached, frame_number(frame, "reached"));
  IMPOUND_TRY(lost, frame_number(frame, "lost"));
  IMPOUND_TRY(dht_peers, frame_number(frame, "dht_peers"));
  auto const rows = frame.find("trackers");
  if (rows == frame.end() || !rows->is_array() || rows->size() > tried_trackers_max) return malformed();
  for (auto const& row : *rows) {
    IMPOUND_TRY(tracker, tracker_from(row));
    message.trackers.push_back(std::move(tracker));
  }
  message.job = std::move(job);
  message.peers_known = known;
  message.peers_reached = reached;
  message.peers_lost = lost;
  message.dht = dht->get<bool>();
  message.dht_peers = dht_peers;
  return FromWorker{std::move(message)};
}

}  // namespace impound::fetchers
