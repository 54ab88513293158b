#include "fetchers/torrents/worker/provenance.h"

#include <algorithm>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/announce_entry.hpp>
#include <libtorrent/version.hpp>
#include <utility>

#include "fetchers/torrents/worker/deliveries.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t why_bytes_max = 200;

std::optional<std::uint64_t> count_of(int number) {
  return number < 0 ? std::nullopt : std::optional{static_cast<std::uint64_t>(number)};
}

std::uint64_t time_of(std::int64_t us) { return static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0)); }

/// Of a failed announce or scrape (one that was skipped, for the tracker has no address of that family, asked nobody):
/// what the tracker said, else what went wrong.
std::string said(char const* by_tracker, lt::error_code const& error) {
  std::string const text = by_tracker == nullptr ? "" : by_tracker;
  return text.empty() ? error.message() : text;
}

std::vector<std::string> source_words(lt::peer_source_flags_t flags, bool named) {
  std::vector<std::string> words;
  // To libtorrent a peer that was named comes "from a tracker", or from an earlier session.
  if (!named && (flags & lt::peer_info::tracker)) words.emplace_back("tracker");
  if (flags & lt::peer_info::dht) words.emplace_back("dht");
  if (flags & lt::peer_info::pex) words.emplace_back("pex");
  if (flags & lt::peer_info::lsd) words.emplace_back("lsd");
  return words;
}

RecordExchange record_of(WebExchange const& one) {
  RecordExchange record{one.web_seed, one.url, one.file};
  record.first = one.first;
  record.last = one.last;
  record.started_us = time_of(one.started_us);
  record.ended_us = time_of(one.ended_us);
  record.status = static_cast<std::uint64_t>(std::max(one.status, 0));
  record.bytes = one.bytes;
  record.head_sha256 = one.head_sha256;
  record.address = one.address;
  record.port = one.port;
  record.tls_protocol = one.tls_protocol;
  record.outcome = one.outcome;
  return record;
}

}  // namespace

/// The worker was told to stop: the jobs go on in another, and the record with them.
Provenance::~Provenance() {
  take_seen();
  for (auto& [folder, one] : kept_) {
    take_lost(one, folder);
    (void)one.file.write();
  }
}

Provenance::Kept* Provenance::kept(std::string const& folder) {
  auto const found = kept_.find(folder);
  return found == kept_.end() ? nullptr : &found->second;
}

void Provenance::begin(TorrentJob const& job) {
  std::string const& folder = job.asked.folder;
  folders_[job.handle] = folder;
  auto& named = named_[folder];
  for (auto const& [endpoint, peer] : job.peers) named.emplace(record_address(sender_of(endpoint)), "magnet");
  for (auto const& peer : job.asked.peers) {
    lt::error_code error;
    auto const address = lt::make_address(peer.ip, error);
    if (!error && peer.named_by_operator) named[record_address(sender_of({address, peer.port}))] = "operator";
  }
  auto const [at, added] = kept_.try_emplace(folder, Kept{RecordFile{*disk_, folder, limits_.record}});
  if (!added) return;
  at->second.file.open();
  at->second.file.add(RecordHead{std::string{"libtorrent "} + lt::version(), job.asked.hashes, utc_now_us()});
}

void Provenance::take(TorrentJob const& job, lt::alert const& alert) {
  Kept* const one = kept(job.asked.folder);
  auto const* const tracker = dynamic_cast<lt::tracker_alert const*>(&alert);
  if (one == nullptr || tracker == nullptr) return;
  RecordTracker told{utc_now_us(), tracker->tracker_url()};
  RecordScrape scrape{told.time_us, told.url};
  if (auto const* const reply = lt::alert_cast<lt::tracker_reply_alert>(&alert)) {
    told.peers = count_of(reply->num_peers);
    one->file.add(told);
  } else if (auto const* const failed = lt::alert_cast<lt::tracker_error_alert>(&alert)) {
    told.error = said(failed->failure_reason(), failed->error);
    if (failed->error != lt::errors::announce_skipped) one->file.add(told);
  } else if (auto const* const warned = lt::alert_cast<lt::tracker_warning_alert>(&alert)) {
    told.warning = warned->warning_message();
    one->file.add(told);
  } else if (auto const* const counts = lt::alert_cast<lt::scrape_reply_alert>(&alert)) {
    scrape.complete = count_of(counts->complete);
    scrape.incomplete = count_of(counts->incomplete);
    // The alert lacks it.
    for (auto const& entry : job.handle.is_valid() ? job.handle.trackers() : std::vector<lt::announce_entry>{})
      for (auto const& endpoint : entry.endpoints)
        if (int const most = endpoint.info_hashes[counts->version].scrape_downloaded; entry.url == scrape.url)
          scrape.downloaded = std::max(scrape.downloaded, count_of(most));
    one->file.add(scrape);
  } else if (auto const* const unanswered = lt::alert_cast<lt::scrape_failed_alert>(&alert)) {
    scrape.error = said(unanswered->error_message(), unanswered->error);
    if (unanswered->error != lt::errors::announce_skipped) one->file.add(scrape);
  }
}

void Provenance::take_search(TorrentJob const& job, std::size_t peers) {
  if (Kept* const one = kept(job.asked.folder)) one->file.add(RecordDht{utc_now_us(), peers});
}

void Provenance::add(std::string const& folder, WebExchange const& exchange) {
  Kept* const one = kept(folder);
  if (one == nullptr) return;
  RecordExchange record = record_of(exchange);
  for (std::string const& der : exchange.certificates) {
    if (record.certificates.size() == record_certificates_max) break;
    if (auto const digest = one->file.certificate(der)) record.certificates.push_back(*digest);
  }
  one->file.add(record);
}

void Provenance::take_seen() {
  for (PeerSeen const& seen : seen_->take()) {
    auto const folder = folders_.find(seen.torrent);
    if (folder == folders_.end()) continue;  // its job is over, and its record told
    if (Kept* const one = kept(folder->second)) take_seen(*one, folder->second, seen);
  }
}

void Provenance::take_seen(Kept& kept, std::string const& folder, PeerSeen const& seen) {
  RecordPeer peer{seen.number, record_address(seen.at), {}};
  auto const& named = named_[folder];
  auto const by = named.find(peer.at);
  peer.sources = source_words(seen.sources, by != named.end());
  if (by != named.end()) peer.sources.insert(peer.sources.begin(), by->second);
  peer.first_us = seen.first_us;
  peer.connected_us = seen.connected_us;
  peer.left_us = seen.left_us;
  peer.id = seen.id;
  peer.client = seen.client;
  peer.why = seen.why.substr(0, why_bytes_max);
  peer.blocks = seen.blocks;
  peer.bytes = seen.bytes;
  if (peer.at.port == 0) return;  // nobody can be dialled there
  if (peer.connected_us) {
    kept.file.add(peer);
    return;
  }
  // One that is not reached is dialled again and again: the first try is told now, their number at the end.
  auto const known = kept.unreached.find(seen.at);
  if (known != kept.unreached.end()) {
    ++known->second.peer.tries;
    known->second.peer.left_us = peer.left_us;
    known->second.peer.why = peer.why;
  } else if (kept.file.add(peer)) {
    kept.unreached.emplace(seen.at, Unreached{peer, 1});
  }
}

void Provenance::take_lost(Kept& kept, std::string const& folder) {
  for (PieceLost const& lost : arrivals_->take_lost(folder)) {
    RecordFailedPiece failed{lost.time_us, lost.piece, {}};
    for (LostRun const& run : lost.from) {
      if (failed.from.size() == record_runs_max / 2) break;
      failed.from.push_back({run.from ? std::optional{record_address(*run.from)} : std::nullopt, run.blocks});
    }
    kept.file.add(failed);
  }
}

/// How many have it, by the trackers' own count. Left out as the announces are: behind a proxy those of UDP are not in
/// libtorrent's list.
void Provenance::scrape(TorrentJob const& job) {
  int const trackers = static_cast<int>(job.handle.trackers().size());
  for (int i = 0; i < trackers; ++i) job.handle.scrape_tracker(i);
}

void Provenance::tick(TorrentJob const& job, SteadyTime now) {
  take_seen();
  Kept* const one = kept(job.asked.folder);
  if (one == nullptr) return;
  take_lost(*one, job.asked.folder);
  bool const asks = job.has_trackers && !job.ending && !job.paused && !job.held && job.handle.is_valid();
  if (asks && now >= one->next_scrape) {
    one->next_scrape = now + limits_.scrape_every;
    scrape(job);
  }
  (void)one->file.write();  // what fails is tried again
}

void Provenance::tell_deliveries(Kept& kept, TorrentJob const& job) {
  if (!job.torrent) return;
  PieceMap const map = map_of(*job.torrent);
  auto const journal = DownloadJournal::read(*disk_, job.asked.folder, journal_limits(map));
  if (!journal || !journal.value()) return;  // no piece has passed, or nothing can be said of them
  deliveries(map, *journal.value(), {})
      .tell(map.piece_length(), map.pieces(), kept.file.left_out(),
            [&](RecordItem const& item) { kept.file.add(item); });
}

std::optional<SwarmRecord> Provenance::finish(TorrentJob const& job, std::vector<std::string> const& web_seeds) {
  std::string const folder = job.asked.folder;
  take_seen();
  std::erase_if(folders_, [&](auto const& one) { return one.second == folder; });
  named_.erase(folder);
  auto taken = kept_.extract(folder);
  if (!taken) return std::nullopt;
  Kept& one = taken.mapped();
  take_lost(one, folder);
  for (auto& [at, unreached] : one.unreached)
    if (unreached.peer.tries > unreached.told) one.file.add(unreached.peer);
  for (std::string const& url : web_seeds) one.file.add(RecordWebSeed{url});
  tell_deliveries(one, job);
  one.file.end();
  if (!one.file.write()) return std::nullopt;
  return SwarmRecord{job.asked.id, std::string{record_file_name}, one.file.bytes()};
}

}  // namespace impound::fetchers
