// Web seeds beside the peers: the part of engine.h that feeds libtorrent with what our own client fetches.
//
// libtorrent's own web seeds are off: 2.0.8 stalls on a redirect, a file that is not there or a server without ranges.
// A piece that came whole is handed to add_piece(), which hashes it like one from peers; how it was judged is heard
// from alerts, and only so much is in flight at a time.
#include <algorithm>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_info.hpp>
#include <utility>

#include "fetchers/torrents/swarm_record.h"
#include "fetchers/torrents/worker/engine.h"
#include "fetchers/torrents/worker/session_settings.h"
#include "fetchers/torrents/worker/web/web_seed_urls.h"
#include "fetchers/torrents/worker/web/web_way.h"

namespace impound::fetchers {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds compared_every{5};
constexpr seconds rate_over{2};
constexpr std::uint64_t drip_bytes = 16u << 10;

Sender sender_of(std::string const& web_seed) {
  auto const called = web_seed_address(web_seed);
  return {called.bytes, called.port};
}

/// The hash of each piece is known, or will be without a peer.
bool can_judge(TorrentJob const& job) {
  if (job.torrent->hashes.v1) return true;
  return job.brings_all_hashes;
}

bool same_pieces(PieceMap const& map, lt::torrent_info const& engine) {
  auto const pieces = static_cast<std::size_t>(engine.num_pieces());
  if (pieces == 0 || map.pieces() != pieces) return false;
  return map.piece_size(pieces - 1) == static_cast<std::uint64_t>(engine.piece_size(engine.last_piece()));
}

}  // namespace

/// Without metadata there is nothing to ask them for; a magnet of v2 alone has its pieces' hashes from peers.
bool Engine::may_ask_web(TorrentJob const& job) const {
  return !job.asked.web_seeds.empty() && !job.asked.metadata_only && job.torrent && !job.web.unfit && can_judge(job);
}

void Engine::begin_web(TorrentJob& job) {
  auto const engine = job.handle.torrent_file();
  if (!engine) return;
  std::vector<bool> wanted(job.torrent->files.size());
  for (WantedFile const& file : job.files) wanted[file.index] = true;
  for (std::size_t i = 0, kept = 0; i < wanted.size(); ++i)  // what the agent has already
    if (!job.torrent->files[i].pad && kept++ < job.asked.left.size() && job.asked.left[kept - 1]) wanted[i] = false;
  auto web = std::make_unique<WebSeeding>(*job.torrent, wanted,
                                          readable_web_seeds(job.asked.web_seeds, WebSeeding::seeds_max), web_way_);
  if (!same_pieces(web->plan().stream().map, *engine)) {
    job.web.unfit = true;  // not what libtorrent reads in it: peers alone
    return;
  }
  job.web.seeding = std::move(web);
  job.web.compared = {};
  if (!std::exchange(hears_of_pieces_, true)) {
    auto pack = session_->get_settings();
    lt::settings_pack mask;
    mask.set_int(lt::settings_pack::alert_mask,
                 pack.get_int(lt::settings_pack::alert_mask) |
                     static_cast<int>(static_cast<std::uint32_t>(lt::alert_category::piece_progress)));
    session_->apply_settings(std::move(mask));
  }
}

void Engine::tend_web(TorrentJob& job, SteadyTime now) {
  bool const downloads = job.status.state == lt::torrent_status::downloading && job.choice_in_force;
  if (!downloads || !may_ask_web(job)) return;
  if (!job.web.seeding) begin_web(job);
  if (!job.web.seeding) return;
  // What passed while nobody listened, and what libtorrent had no use for.
  if (now - job.web.compared >= compared_every) {
    job.web.compared = now;
    auto const status = job.handle.status(lt::torrent_handle::query_pieces);
    for (auto const piece : status.pieces.range())
      if (status.pieces[piece]) job.web.seeding->passed(static_cast<std::size_t>(static_cast<int>(piece)));
  }
  job.web.seeding->ask(now, job.status.download_payload_rate > 0);
  see_web_rate(job, now);
  // libtorrent hears of a piece when it is whole. A server that gives a byte a minute gives nothing.
  if (auto const blocks = job.web.seeding->received() / drip_bytes; blocks > job.web.blocks_seen) {
    job.web.blocks_seen = blocks;
    job.last_progress = now;
  }
}

void Engine::take_web(TorrentJob& job) {
  if (!job.web.seeding || job.ending) return;
  for (auto& piece : job.web.seeding->take(std::chrono::steady_clock::now())) {
    int const number = static_cast<int>(piece.fetched.piece);
    arrivals_->comes_from(job.asked.folder, number, sender_of(job.web.seeding->url(piece.seed)));
    job.handle.add_piece(lt::piece_index_t{number}, std::move(piece.fetched.bytes));
  }
  for (auto const& exchange : job.web.seeding->take_exchanges()) provenance_->add(job.asked.folder, exchange);
  // The next run follows at once, not at the next tick.
  if (!job.paused && !job.held && job.status.state == lt::torrent_status::downloading)
    job.web.seeding->ask(std::chrono::steady_clock::now(), job.status.download_payload_rate > 0);
}

void Engine::see_web_rate(TorrentJob& job, SteadyTime now) {
  auto const since = std::chrono::duration_cast<milliseconds>(now - job.web.seen);
  if (since < rate_over) return;
  auto const bytes = job.web.seeding->received();
  bool const first = job.web.seen == SteadyTime{};
  job.web.rate =
      first ? 0 : (bytes - std::min(bytes, job.web.bytes_seen)) * 1'000 / static_cast<std::uint64_t>(since.count());
  job.web.bytes_seen = bytes;
  job.web.seen = now;
}

/// They are asked no more; what they were good for is kept for the end.
void Engine::leave_web(TorrentJob& job) {
  if (!job.web.seeding) return;
  static_cast<void>(job.web.seeding->take(std::chrono::steady_clock::now()));  // pieces of no use any more
  for (auto const& exchange : job.web.seeding->take_exchanges()) provenance_->add(job.asked.folder, exchange);
  for (auto const& tally : job.web.seeding->tallies())
    if (job.web.tallies_before.size() < tried_web_seeds_max)
      job.web.tallies_before.push_back(tried_web_seed(tally, *job.torrent));
  job.web.bytes_before += job.web.seeding->bytes();
  job.web.seeding.reset();
  job.web.rate = job.web.bytes_seen = job.web.blocks_seen = 0;
  job.web.seen = {};
}

std::vector<std::string> Engine::web_seeds_of(TorrentJob const& job) {
  std::vector<std::string> urls;
  for (auto const& seed : readable_web_seeds(job.asked.web_seeds, WebSeeding::seeds_max)) urls.push_back(seed.url);
  return urls;
}

std::string Engine::why_nobody(TorrentJob const& job) const {
  std::string why = "no peer that was named answers, and it has no tracker";
  if (!job.web.seeding) return why;
  std::vector<TriedWebSeed> seeds;
  for (auto const& tally : job.web.seeding->tallies()) seeds.push_back(tried_web_seed(tally, *job.torrent));
  auto const wrong = complaints(seeds);
  return (job.peers.empty() ? "it has neither peers nor a tracker" : why) +
         (wrong.empty() ? "; its web seeds have no more of it" : "; " + wrong);
}

}  // namespace impound::fetchers
