// One job in the worker: what was asked, how far it is, and why it ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/socket.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_status.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/dial_gate.h"
#include "fetchers/torrents/worker/piece_order.h"
#include "fetchers/torrents/worker/tried_sources.h"
#include "fetchers/torrents/worker/web/web_seeding.h"

namespace impound::fetchers {

using SteadyTime = std::chrono::steady_clock::time_point;

/// A file of libtorrent's list that is wanted: its number there, and in Metainfo.files.
struct WantedFile {
  lt::file_index_t engine_index{0};
  std::size_t index = 0;
  bool whole = false;  // libtorrent says so
  bool told = false;
  bool layer_kept = false;    // beside it, of one that will never be whole
  std::uint64_t reached = 0;  // told: so many bytes of it are there
};

/// A peer that the agent handed over.
struct NamedPeer {
  unsigned failures = 0;  // since the last new byte
  bool banned = false;    // it sent a piece that does not hash
};

/// A counter of libtorrent's that begins again whenever the torrent is paused, summed over all its beginnings.
class SteadyCount {
 public:
  void see(std::int64_t value) {
    if (value < seen_) before_ += seen_;
    seen_ = value;
  }
  std::uint64_t total() const { return static_cast<std::uint64_t>(before_ + seen_); }

 private:
  std::int64_t before_ = 0;
  std::int64_t seen_ = 0;
};

/// What web seeds give of a torrent.
struct WebShare {
  std::unique_ptr<WebSeeding> seeding{};       // once payload may come, where it has web seeds
  bool unfit = false;                          // it cannot be asked of web seeds
  std::uint64_t bytes_before = 0;              // that passed, from those before
  std::vector<TriedWebSeed> tallies_before{};  // what came of those
  std::uint64_t rate = 0;                      // bytes a second
  std::uint64_t bytes_seen = 0;                // when that was measured
  SteadyTime seen{};
  std::uint64_t blocks_seen = 0;  // of 16 KiB
  SteadyTime compared{};          // with what libtorrent has

  auto asked_now() const { return seeding ? seeding->asked_now() : decltype(seeding->asked_now()){0}; }
  bool nobody_left() const { return seeding && seeding->plan().is_open() && seeding->nobody_left(); }
};

struct TorrentJob {
  SwarmJob asked;
  lt::torrent_handle handle;
  std::optional<lt::add_torrent_params> held;  // libtorrent takes it for one that it has, which must end first
  lt::torrent_status status;                   // the newest that libtorrent posted
  std::optional<Metainfo> torrent;             // once there is metadata
  std::vector<WantedFile> files;
  std::vector<std::pair<AddressBytes, std::uint16_t>> opened;  // in the dial gate, given back at the end
  std::map<lt::tcp::endpoint, NamedPeer> peers;                // those handed over that may be dialled
  SteadyCount downloaded;                                      // payload
  SteadyCount uploaded;
  TriedSources tried;
  WebShare web{};
  bool brings_all_hashes = false;  // in its .torrent
  PieceOrder order{};
  SteadyTime order_looked_at{};
  bool has_trackers = false;
  bool tells_later = false;  // a file is whole, and not told yet
  bool paused = false;
  bool keeps_few = false;          // connections: it waits for the choice, and that takes its time
  bool chosen = false;             // the agent said which files
  bool waits_for_digests = false;  // all is there, and a file's SHA-256 is still to come
  bool choice_in_force = false;    // and libtorrent goes by it; from the start where nothing is to be chosen
  unsigned names_asked = 0;        // of peers, whose addresses are looked up still
  unsigned metadata_failures = 0;
  unsigned hash_failures = 0;  // since the last good piece; see bad_pieces()
  std::uint64_t downloaded_when_good = 0;
  int good_pieces = 0;
  SteadyTime started;
  SteadyTime last_progress;
  std::int64_t last_marker = -1;
  SteadyTime dht_next{};  // when the DHT is asked again, after a gap that doubles
  std::chrono::seconds dht_gap{15};
  std::optional<SteadyTime> linger_until;            // finished, and stays as a seed
  std::optional<std::variant<Done, Failed>> ending;  // decided; told when libtorrent has let go
  bool removed = false;                              // libtorrent has
  bool counted = false;                              // and what it sent until then was counted

  std::uint64_t web_bytes() const { return web.bytes_before + (web.seeding ? web.seeding->bytes() : 0); }
  std::uint64_t downloaded_payload() const { return downloaded.total() + web_bytes(); }
  /// What failed until now says nothing of what comes.
  void forgive_peers() {
    for (auto& [endpoint, peer] : peers) peer.failures = 0;
  }
};

// A torrent with a huge swarm would else leave none of the session's connections to the others; while it waits, the few
// that have its payload are enough.
inline constexpr int job_connections_max = 50;
inline constexpr int waiting_job_connections_max = 5;

/// Pairs libtorrent's files with ours, pad files left out; nothing when they are not the same files.
std::optional<std::vector<WantedFile>> wanted_files(lt::file_storage const& engine, Metainfo const& torrent);

/// Metadata is there, and the agent has not said yet which files: nothing but a word of its ends such a job.
inline bool awaits_choice(TorrentJob const& job) { return job.torrent && !job.choice_in_force; }

/// Why the torrent is not taken, for `detail`; nothing when it may be.
std::optional<std::string> beyond_limits(Metainfo const& torrent, SwarmLimits const& limits);

/// The info dict and piece layers of a .torrent alone: libtorrent sees no tracker, web seed or DHT node named in it.
std::string without_addresses(std::string_view torrent, Metainfo const& read);

/// The hashes of all pieces were in the .torrent (BEP 52, piece layers).
bool has_all_hashes(lt::add_torrent_params const& params);

/// The limits of a job as the reader of torrents takes them.
MetainfoLimits metainfo_limits(SwarmLimits const& limits);

/// All hashes that were asked for are this info dict's.
bool is_what_was_asked(Metainfo const& torrent, InfoHashes const& asked);

/// The v1 hash asked for is this info dict's SHA-256, cut to 20 bytes, as v2 swarms are known to trackers and DHT.
bool only_cut_sha256(Metainfo const& torrent, InfoHashes const& asked);

/// `detail` ends up on a terminal, and a frame's texts must be UTF-8: printable ASCII is both.
Failed failed(TorrentJob const& job, char const* reason, std::string detail);

/// Pieces from peers that did not hash, since the last one that did. libtorrent tells the same of pieces that nobody
/// sent: what it finds on the disk before it has v2's hashes is judged when they come, and what is not there fails. So
/// there are never more than what came since.
std::uint64_t bad_pieces(TorrentJob const& job);

/// Takes libtorrent's payload counters into the job's.
void count_payload(TorrentJob& job, lt::torrent_status const& status);

}  // namespace impound::fetchers
