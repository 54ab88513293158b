#include "fetchers/torrents/tried_message.h"

#include <utility>

namespace impound::fetchers {

namespace {

Error malformed() { return Error{Code::malformed, "a worker's message is malformed: what was tried", {}, {}}; }

template <class Asked>
Result<Asked> asked_from(Frame const& row) {
  if (!row.is_array() || row.size() != 5 || !row[0].is_binary() || !row[4].is_string()) return malformed();
  std::uint64_t counts[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!row[i + 1].is_number_unsigned() || row[i + 1].get<std::uint64_t>() >= (std::uint64_t{1} << 53))
      return malformed();
    counts[i] = row[i + 1].get<std::uint64_t>();
  }
  auto const& url = row[0].get_binary();
  Asked asked{{url.begin(), url.end()}, counts[0], counts[1], counts[2], row[4].get<std::string>()};
  if (asked.last.size() > tried_last_bytes_max) return malformed();
  return asked;
}

template <class Asked>
Result<std::vector<Asked>> list_of(Frame const& frame, char const* key, std::size_t most) {
  auto const rows = frame.find(key);
  if (rows == frame.end() || !rows->is_array() || rows->size() > most) return malformed();
  std::vector<Asked> list;
  for (auto const& row : *rows) {
    IMPOUND_TRY(one, asked_from<Asked>(row));
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

Frame frame_of_tried(Tried const& message) {
  Frame rows = Frame::array();
  for (auto const& one : message.trackers)
    rows.push_back(Frame::array({bytes_value(one.url), one.answers, one.failures, one.peers, one.last}));
  Frame web_seeds = Frame::array();
  for (auto const& one : message.web_seeds)
    web_seeds.push_back(Frame::array({bytes_value(one.url), one.pieces, one.bytes, one.failures, one.last}));
  return {{"t", "tried"},
          {"job", message.job},
          {"trackers", std::move(rows)},
          {"web_seeds", std::move(web_seeds)},
          {"known", message.peers_known},
          {"reached", message.peers_reached},
          {"lost", message.peers_lost},
          {"dht", message.dht},
          {"dht_peers", message.dht_peers}};
}

Result<FromWorker> tried_from(Frame const& frame) {
  auto const dht = frame.find("dht");
  if (frame.size() != 9 || dht == frame.end() || !dht->is_boolean()) return malformed();
  Tried message;
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(known, frame_number(frame, "known"));
  IMPOUND_TRY(reached, frame_number(frame, "reached"));
  IMPOUND_TRY(lost, frame_number(frame, "lost"));
  IMPOUND_TRY(dht_peers, frame_number(frame, "dht_peers"));
  IMPOUND_TRY(trackers, list_of<TriedTracker>(frame, "trackers", tried_trackers_max));
  IMPOUND_TRY(web_seeds, list_of<TriedWebSeed>(frame, "web_seeds", tried_web_seeds_max));
  message.trackers = std::move(trackers);
  message.web_seeds = std::move(web_seeds);
  message.job = std::move(job);
  message.peers_known = known;
  message.peers_reached = reached;
  message.peers_lost = lost;
  message.dht = dht->get<bool>();
  message.dht_peers = dht_peers;
  return FromWorker{std::move(message)};
}

}  // namespace impound::fetchers
