// What the worker knows of where a job's payload came from, written into the job's swarm record (swarm_record.h).
//
//     network thread   peers_seen, arrivals (pieces that failed) ──┐
//     alerts           trackers, scrapes ──────────────────────────┼─> tick() ─> RecordFile ─> "<job folder>/record"
//     the engine       searches in the DHT, web seeds' exchanges ──┘
//     at the end       the journal, read from the disk ─────────────> finish(): the table of all blocks
//
// A record begins with the job's first packet and goes on over the death of a worker. It fails no job: where it cannot
// be written, nothing is told of it, and the agent's result names none.
//
// One thread, the engine's.
#pragma once

#include <chrono>
#include <libtorrent/alert.hpp>
#include <libtorrent/extensions.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/arrivals.h"
#include "fetchers/torrents/worker/peers_seen.h"
#include "fetchers/torrents/worker/record_file.h"
#include "fetchers/torrents/worker/torrent_job.h"
#include "fetchers/torrents/worker/web_exchange.h"

namespace impound::fetchers {

struct ProvenanceLimits {
  RecordLimits record{};
  std::chrono::minutes scrape_every{30};
};

class Provenance {
 public:
  Provenance(std::shared_ptr<Disk> disk, std::shared_ptr<Arrivals> arrivals, ProvenanceLimits const& limits)
      : disk_(std::move(disk)), arrivals_(std::move(arrivals)), limits_(limits) {}
  ~Provenance();

  /// Behind the other plugins of the session.
  std::shared_ptr<lt::plugin> plugin() const { return peers_seen_plugin(seen_); }

  /// It is in the session, under this handle; once more where it gets another.
  void begin(TorrentJob const& job);
  /// Takes what an alert says of a tracker; every other one is passed over.
  void take(TorrentJob const& job, lt::alert const& alert);
  void take_search(TorrentJob const& job, std::size_t peers);
  /// Of a web seed of the job in this folder.
  void add(std::string const& folder, WebExchange const& exchange);
  /// Now and then: what has come is written, and trackers are asked for their counts.
  void tick(TorrentJob const& job, SteadyTime now);
  /// libtorrent and the disk have let go of it: the rest. `web_seeds`: the URLs whose exchanges may stand in it.
  /// Nothing where the job never began, or where its record could not be written.
  std::optional<SwarmRecord> finish(TorrentJob const& job, std::vector<std::string> const& web_seeds);

 private:
  struct Unreached {
    RecordPeer peer;
    std::uint64_t told = 0;  // tries
  };
  struct Kept {
    RecordFile file;
    std::map<Sender, Unreached> unreached{};
    SteadyTime next_scrape{};
  };

  Kept* kept(std::string const& folder);
  void take_seen();
  void take_seen(Kept& kept, std::string const& folder, PeerSeen const& seen);
  void take_lost(Kept& kept, std::string const& folder);
  void scrape(TorrentJob const& job);
  void tell_deliveries(Kept& kept, TorrentJob const& job);

  std::shared_ptr<Disk> disk_;
  std::shared_ptr<Arrivals> arrivals_;
  ProvenanceLimits limits_;
  std::shared_ptr<PeersSeen> seen_ = std::make_shared<PeersSeen>();
  std::map<std::string, Kept> kept_;                                   // by the job's folder
  std::map<lt::torrent_handle, std::string> folders_;                  // a job may have had several handles
  std::map<std::string, std::map<RecordAddress, char const*>> named_;  // by folder: whom the job named, and who did
};

}  // namespace impound::fetchers
