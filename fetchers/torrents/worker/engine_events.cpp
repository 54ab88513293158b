// What libtorrent tells, and what it means for a job: the second part of engine.h.
#include "fetchers/torrents/worker/engine.h"

#include <algorithm>
#include <cerrno>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/session_stats.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <tuple>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/worker/session_settings.h"
#include "fetchers/torrents/worker/web/web_way.h"

namespace impound::fetchers {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t chunk_bytes = 512u << 10;
constexpr std::size_t progress_queue_bytes_max = 1u << 20;  // beyond it the agent is behind, and progress is dropped
constexpr seconds waits_after{5};                           // the choice comes at once, or when others have ended
constexpr unsigned dial_failures_max = 3;
constexpr std::uint64_t hash_failures_max = 24;

bool disk_is_full(lt::error_code const& error) {
  return error == boost::system::errc::no_space_on_device || error.value() == EDQUOT;
}

char const* state_word(TorrentJob const& job) {
  if (job.paused) return "paused";
  switch (job.status.state) {
    case lt::torrent_status::downloading_metadata: return "metadata";
    case lt::torrent_status::downloading: return "downloading";
    case lt::torrent_status::finished:
    case lt::torrent_status::seeding: return "finished";
    default: return "checking";
  }
}

}  // namespace

Result<void> Engine::take_alerts() {
  if (!session_) return ok();
  std::vector<lt::alert*> alerts;
  session_->pop_alerts(&alerts);
  for (auto* alert : alerts) IMPOUND_CHECK(take_alert(alert));
  take_names();
  for (auto& [name, job] : jobs_) {
    IMPOUND_CHECK(tell_arrived(job));
    IMPOUND_CHECK(tell_reached(job));
    take_web(job);
  }
  IMPOUND_CHECK(tell_endings());
  return trip_wire(counters_.sent_payload_bytes);
}

Result<void> Engine::take_alert(lt::alert* alert) {
  if (auto const* update = lt::alert_cast<lt::state_update_alert>(alert)) {
    for (auto const& status : update->status) IMPOUND_CHECK(take_status(status));
    return ok();
  }
  if (auto const* stats = lt::alert_cast<lt::session_stats_alert>(alert)) return take_stats(*stats);
  if (auto const* found = lt::alert_cast<lt::dht_get_peers_reply_alert>(alert)) return take_dht(*found), ok();
  if (auto const* removed = lt::alert_cast<lt::torrent_removed_alert>(alert)) return take_removed(removed->handle);
  if (auto const* conflict = lt::alert_cast<lt::torrent_conflict_alert>(alert)) return make_one(*conflict);
  auto const* about = dynamic_cast<lt::torrent_alert const*>(alert);
  TorrentJob* const job = about == nullptr ? nullptr : job_of(about->handle);
  if (job == nullptr || job->ending) return ok();
  provenance_->take(*job, *alert);
  job->tried.take(*alert);
  if (lt::alert_cast<lt::metadata_received_alert>(alert)) return take_metadata(*job);
  if (lt::alert_cast<lt::metadata_failed_alert>(alert)) ++job->metadata_failures;
  if (lt::alert_cast<lt::file_prio_alert>(alert)) return take_choice_in_force(*job);
  // A torrent of which nothing is wanted yet is "finished" for libtorrent.
  if (lt::alert_cast<lt::torrent_finished_alert>(alert)) return job->choice_in_force ? finish(*job) : ok();
  if (auto const* done = lt::alert_cast<lt::file_completed_alert>(alert)) {
    auto const found = std::find_if(job->files.begin(), job->files.end(),
                                    [&](WantedFile const& file) { return file.engine_index == done->index; });
    if (found == job->files.end() || !job->choice_in_force) return ok();
    found->whole = job->tells_later = true;
    return ok();  // told when its digest is there
  }
  if (lt::alert_cast<lt::torrent_checked_alert>(alert)) return note_whole_files(*job), tell_arrived(*job);
  if (auto const* error = lt::alert_cast<lt::file_error_alert>(alert)) {
    return fail(*job, disk_is_full(error->error) ? "disk_full" : "worker_ended", "disk: " + error->error.message());
  }
  if (auto const* error = lt::alert_cast<lt::torrent_error_alert>(alert)) {
    // Of two that turn out to be one hybrid: a torrent_conflict_alert tells the whole of it.
    if (error->error == lt::errors::duplicate_torrent) return ok();
    return fail(*job, disk_is_full(error->error) ? "disk_full" : "metadata_refused", error->error.message());
  }
  if (auto const* passed = lt::alert_cast<lt::piece_finished_alert>(alert)) {
    int const piece = static_cast<int>(passed->piece_index);
    arrivals_->judged(job->asked.folder, piece);
    if (job->web.seeding) job->web.seeding->passed(static_cast<std::size_t>(piece));
    return ok();
  }
  auto const* const wrong = lt::alert_cast<lt::hash_failed_alert>(alert);
  if (wrong != nullptr) arrivals_->judged(job->asked.folder, static_cast<int>(wrong->piece_index));
  // Peers did not send it.
  if (wrong != nullptr && job->web.seeding &&
      job->web.seeding->failed(static_cast<std::size_t>(static_cast<int>(wrong->piece_index))))
    return ok();
  if (wrong != nullptr) ++job->hash_failures;
  if (auto const* gone = lt::alert_cast<lt::peer_disconnected_alert>(alert)) {
    auto const peer = job->peers.find(gone->endpoint);
    if (peer == job->peers.end()) return ok();
    ++peer->second.failures;
    // libtorrent takes nothing more from a peer whose whole piece did not hash.
    if (gone->error == lt::errors::too_many_corrupt_pieces) peer->second.banned = true;
  }
  return ok();
}

/// A name that content gave leads where the address table lets it lead, like any address.
void Engine::take_names() {
  for (auto const& found : names_.take()) {
    TorrentJob* const job = job_named(found.job);
    if (job == nullptr || job->names_asked == 0) continue;
    --job->names_asked;
    for (auto const& literal : found.addresses) {
      auto const bytes = address_bytes(literal);
      lt::error_code error;
      auto const address = lt::make_address(literal, error);
      if (!bytes || error || !DialGate::of_this_process().allows(*bytes, found.port)) continue;
      lt::tcp::endpoint const endpoint{address, found.port};
      if (!job->peers.emplace(endpoint, NamedPeer{}).second) continue;
      if (job->held)
        job->held->peers.push_back(endpoint);
      else
        job->handle.connect_peer(endpoint, lt::peer_info::tracker);  // one failure is forgiven
    }
  }
}

Result<void> Engine::take_status(lt::torrent_status const& status) {
  TorrentJob* const job = job_of(status.handle);
  if (job == nullptr || job->ending) return ok();
  job->status = status;
  count_payload(*job, status);
  job->tried.see_known_peers(status.list_peers);
  if (status.num_pieces > job->good_pieces) {
    job->hash_failures = 0;
    job->downloaded_when_good = job->downloaded.total();
  }
  job->good_pieces = status.num_pieces;
  order_pieces(*job, steady_clock::now(), job->web.asked_now());
  // Whatever moves, in one number: payload as it comes, or the check of what is there already.
  std::int64_t const marker = static_cast<std::int64_t>(job->downloaded.total()) + status.total_done +
                              status.progress_ppm + (static_cast<std::int64_t>(status.state) << 56);
  if (marker != job->last_marker) {
    job->last_marker = marker;
    job->last_progress = steady_clock::now();
    if (job->downloaded.total() > 0) job->forgive_peers();
  }
  if (line_.unsent_bytes() > progress_queue_bytes_max) return ok();
  auto const number = [](auto value) { return static_cast<std::uint64_t>(std::max<decltype(value)>(value, 0)); };
  return send(Progress{job->asked.id, state_word(*job), number(status.total_wanted_done), number(status.total_wanted),
                       number(status.download_payload_rate) + job->web.rate, number(status.num_peers),
                       number(status.num_seeds), job->web.asked_now()});
}

Result<void> Engine::take_metadata(TorrentJob& job) {
  auto const torrent = job.handle.torrent_file();
  return torrent ? take_metadata(job, *torrent) : fail(job, "metadata_refused", "libtorrent has none after all");
}

Result<void> Engine::take_metadata(TorrentJob& job, lt::torrent_info const& engine_torrent) {
  auto const section = engine_torrent.info_section();
  std::string_view const info{section.data(), static_cast<std::size_t>(section.size())};
  auto read = read_info_dict(info, metainfo_limits(settings_.limits));
  if (!read) {
    return fail(job, read.error().code == Code::refused ? "refused_limits" : "metadata_refused", read.error().what);
  }
  // libtorrent takes metadata whose SHA-256, cut to 20 bytes, is the v1 hash: we do not.
  if (!is_what_was_asked(read.value(), job.asked.hashes)) {
    return fail(job, "metadata_refused",
                only_cut_sha256(read.value(), job.asked.hashes)
                    ? "only its SHA-256, cut to 20 bytes, is the info-hash: that is no v1 info-hash"
                    : "it does not hash to the info-hash");
  }
  auto files = wanted_files(engine_torrent.files(), read.value());
  if (!files) return fail(job, "metadata_refused", "libtorrent reads other files in it than we do");
  job.torrent = std::move(read).value();
  job.files = std::move(*files);
  job.last_progress = steady_clock::now();
  for (std::size_t at = 0; at < info.size(); at += chunk_bytes) {
    IMPOUND_CHECK(send(MetadataChunk{job.asked.id, info.size(), at, std::string{info.substr(at, chunk_bytes)}}));
  }
  if (auto detail = beyond_limits(*job.torrent, settings_.limits)) return fail(job, "refused_limits", *detail);
  if (job.asked.metadata_only) return end(job, Done{job.asked.id, 0, 0});
  return ok();
}

/// Two magnets name one hybrid, each by another hash, which shows when the first has its metadata; libtorrent stops
/// both. Who wants metadata alone has it now. Of the others the older one goes on, with the sources of both; and who
/// only seems to be the same torrent ends without it.
Result<void> Engine::make_one(lt::torrent_conflict_alert const& conflict) {
  if (!conflict.metadata) return ok();
  auto const section = conflict.metadata->info_section();
  auto const read =
      read_info_dict({section.data(), static_cast<std::size_t>(section.size())}, metainfo_limits(settings_.limits));
  std::vector<TorrentJob*> same;
  for (auto const& handle : {conflict.handle, conflict.conflicting_torrent}) {
    TorrentJob* const job = job_of(handle);
    if (job == nullptr || job->ending) continue;
    if (read && is_what_was_asked(read.value(), job->asked.hashes) && !job->asked.metadata_only)
      same.push_back(job);
    else
      IMPOUND_CHECK(take_metadata(*job, *conflict.metadata));
  }
  if (same.empty()) return ok();
  std::sort(same.begin(), same.end(), [](auto const* a, auto const* b) {
    return std::tie(a->started, a->asked.id) < std::tie(b->started, b->asked.id);
  });
  SwarmJob const other = same.size() == 2 ? same.back()->asked : SwarmJob{};
  if (same.size() == 2)
    IMPOUND_CHECK(fail(*same.back(), "cancelled", "another acquisition that is under way has the same torrent"));
  return begin_again(*same.front(), other, conflict.metadata);
}

/// From here on "finished" means the files that were chosen; when they are all there already it is not said again.
Result<void> Engine::take_choice_in_force(TorrentJob& job) {
  if (!job.chosen || job.choice_in_force) return ok();
  job.choice_in_force = true;
  auto const status = job.handle.status({});
  bool const over = status.state == lt::torrent_status::finished || status.state == lt::torrent_status::seeding;
  if (over) return finish(job);
  note_whole_files(job);
  return tell_arrived(job);
}

Result<void> Engine::fail(TorrentJob& job, char const* reason, std::string detail) {
  std::string_view const why = reason;
  if (settings_.way_out.proxy && (why == "no_peers" || why == "no_metadata" || why == "deadline"))
    detail += " (all of it through the proxy " + settings_.way_out.proxy->text() + ")";
  note_whole_files(job);
  return end(job, failed(job, reason, std::move(detail)));
}

/// Decides the job's end, which is told once libtorrent has let go of the torrent.
Result<void> Engine::end(TorrentJob& job, std::variant<Done, Failed> ending) {
  if (job.ending) return ok();
  bool const held = std::exchange(job.held, {}).has_value();
  if (!held) count_payload(job, job.handle.status({}));
  if (auto* done = std::get_if<Done>(&ending))
    *done = Done{job.asked.id, job.downloaded_payload(), job.uploaded.total()};
  if (auto* failure = std::get_if<Failed>(&ending)) {
    failure->downloaded = job.downloaded_payload();
    failure->uploaded = job.uploaded.total();
  }
  if (!held && std::holds_alternative<Failed>(ending)) keep_layers(job);
  leave_web(job);
  job.ending = std::move(ending);
  job.removed = held;
  if (!held) session_->remove_torrent(job.handle);
  return ok();
}

Result<void> Engine::take_removed(lt::torrent_handle const& handle) {
  TorrentJob* const job = job_of(handle);
  if (job == nullptr) return ok();
  job->removed = true;
  // One more count of what left, taken after the torrent has left: then the end is told.
  session_->post_session_stats();
  return ok();
}

Result<void> Engine::take_stats(lt::session_stats_alert const& alert) {
  static int const sent_payload = lt::find_metric_idx("net.sent_payload_bytes");
  auto const counters = alert.counters();
  if (sent_payload >= 0) sent_payload_bytes_ = static_cast<std::uint64_t>(counters[sent_payload]);
  IMPOUND_CHECK(trip_wire(sent_payload_bytes_));
  for (auto& [name, job] : jobs_) job.counted |= job.removed;
  return tell_endings();
}

/// Of those that libtorrent and the disk have let go of: what the last batch held is on the medium, or known not to be.
Result<void> Engine::tell_endings() {
  std::vector<TorrentJob*> over;
  for (auto& [name, job] : jobs_)
    if (job.counted && !arrivals_->is_in_use(job.asked.folder)) over.push_back(&job);
  for (auto* job : over) IMPOUND_CHECK(tell_ending(*job));
  return ok();
}

Result<void> Engine::tell_ending(TorrentJob& job) {
  std::uint64_t const session_sent = std::max<std::uint64_t>(sent_payload_bytes_, counters_.sent_payload_bytes);
  auto ending = std::move(*job.ending);
  for (auto const& [address, port] : job.opened) DialGate::of_this_process().close(address, port);
  bool const had_opened = !job.opened.empty();
  IMPOUND_CHECK(tell_left(job, std::holds_alternative<Failed>(ending)));
  auto tried = job.tried.told(job.asked.id);
  tried.web_seeds = job.web.tallies_before;
  IMPOUND_CHECK(send(std::move(tried)));
  if (auto const record = provenance_->finish(job, web_seeds_of(job))) IMPOUND_CHECK(send(*record));
  arrivals_->forget(job.asked.folder);
  jobs_.erase(job.asked.id);
  if (had_opened) set_address_filter();
  if (auto* done = std::get_if<Done>(&ending)) {
    done->uploaded_payload = std::max(done->uploaded_payload, session_sent);
    auto const disk = arrivals_->counters();
    done->pieces_read_back = disk.pieces_read_back;
    done->pieces_rechecked = disk.pieces_rechecked;
    done->pieces_from_journal = disk.pieces_from_journal;
    IMPOUND_CHECK(send(*done));
  } else {
    auto& failure = std::get<Failed>(ending);
    failure.uploaded = std::max(failure.uploaded, session_sent);
    IMPOUND_CHECK(send(failure));
  }
  return add_held();
}

/// Payload has left this process: that must not be. Told, and everything stops.
Result<void> Engine::trip_wire(std::uint64_t sent) {
  if (sent == 0) return ok();
  session_->pause();
  IMPOUND_CHECK(send(Incident{sent}));
  return Error{Code::refused, "payload was sent: the session is stopped", std::to_string(sent) + " bytes", {}};
}

Result<void> Engine::tick() {
  if (!line_.unsent()) IMPOUND_CHECK(send(Alive{}));  // else what waits there says it
  if (!session_) return ok();
  session_->post_torrent_updates(lt::torrent_handle::query_distributed_copies);
  session_->post_session_stats();
  auto const now = steady_clock::now();
  for (auto& [name, job] : jobs_) {
    provenance_->tick(job, now);
    if (job.ending || job.paused || job.held) continue;
    if (job.waits_for_digests) continue;  // all is there: no peer and no time is missed any more
    tend_web(job, now);
    IMPOUND_CHECK(judge(job, now));
    if (!job.ending) ask_dht(job, now);
  }
  leave_dht();
  return ok();
}

Result<void> Engine::judge(TorrentJob& job, SteadyTime now) {
  if (job.linger_until) return now >= *job.linger_until ? end(job, Done{job.asked.id, 0, 0}) : Result<void>{ok()};
  if (!job.torrent && job.asked.metadata_timeout_s && now - job.started >= seconds{*job.asked.metadata_timeout_s}) {
    if (job.metadata_failures > 0)
      return fail(job, "metadata_refused", "what peers sent does not hash to the info-hash");
    return fail(job, "no_metadata", "no peer handed over the metadata in time");
  }
  if (awaits_choice(job)) {
    if (!job.keeps_few && now - job.last_progress >= waits_after) {
      job.keeps_few = true;
      job.handle.set_max_connections(waiting_job_connections_max);
    }
    return ok();
  }
  if (job.asked.idle_timeout_s && now - job.last_progress >= seconds{*job.asked.idle_timeout_s}) {
    return fail(job, "deadline", "no new byte for " + std::to_string(*job.asked.idle_timeout_s) + " s");
  }
  if (bad_pieces(job) >= hash_failures_max) {
    return fail(job, "hash_failures", "what peers send does not hash to what the torrent says");
  }
  // libtorrent's last status may be older than what its last peer sent.
  if (nobody_left(job) && job.hash_failures > 0) count_payload(job, job.handle.status({}));
  if (nobody_left(job) && bad_pieces(job) > 0) {
    return fail(job, "hash_failures",
                "every peer that was named sent pieces that do not hash to what the torrent says");
  }
  if (nobody_left(job)) return fail(job, "no_peers", why_nobody(job));
  dial_again(job);
  return ok();
}

bool Engine::nobody_left(TorrentJob const& job) const {
  if (job.has_trackers || job.names_asked > 0 || asks_dht(job) || job.status.num_peers > 0) return false;
  if (may_ask_web(job) && !job.web.nobody_left()) return false;  // with nothing missing the end is on its way
  return std::all_of(job.peers.begin(), job.peers.end(),
                     [](auto const& peer) { return peer.second.banned || peer.second.failures >= dial_failures_max; });
}

/// libtorrent forgets a peer after three failures and takes its time between them; a peer that was named is asked
/// again.
void Engine::dial_again(TorrentJob& job) {
  if (job.status.num_peers > 0 || job.status.state == lt::torrent_status::checking_files ||
      job.status.state == lt::torrent_status::checking_resume_data) {
    return;
  }
  // A peer "from the tracker" gets one failure forgiven.
  for (auto const& [endpoint, peer] : job.peers) {
    if (!peer.banned) job.handle.connect_peer(endpoint, lt::peer_info::tracker);
  }
}

}  // namespace impound::fetchers
