#include "fetchers/torrents/worker/engine.h"
#include "evidence/system/randomness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/session_stats.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/worker/arrival_disk.h"
#include "fetchers/torrents/worker/session_settings.h"
#include "fetchers/torrents/worker/web/web_way.h"
#include "fetchers/url.h"

namespace impound::fetchers {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

Error bug(std::string what) { return Error{Code::malformed, "the agent's message makes no sense: " + what, {}, {}}; }

template <class EngineHash, class Ours>
EngineHash engine_hash(Ours const& hash) {
  return EngineHash{reinterpret_cast<char const*>(hash.bytes.data())};
}

bool known_scheme(std::string_view tracker) {
  return tracker.starts_with("http://") || tracker.starts_with("https://") || tracker.starts_with("udp://");
}

/// Told in the record before the first packet; the gate would refuse it as it is asked of the proxy.
bool refused_before_proxy(std::string const& tracker) {
  auto const url = Url::parse(tracker);
  return !url || !DialGate::of_this_process().may_be_asked(url.value().host(), url.value().port());
}

}  // namespace

Engine::~Engine() {
  // The session outlives its last alert by up to a second, in which it tells trackers that it leaves.
  if (session_) session_->set_alert_notify({});
}

Result<bool> Engine::handle(ToWorker message) {
  if (!session_ && !std::holds_alternative<Configure>(message)) return bug("no configure first");
  return std::visit([this](auto const& one) { return take(one); }, message);
}

Result<bool> Engine::take(Configure const& message) {
  if (session_) return bug("configure twice");
  settings_ = message;
  auto& gate = DialGate::of_this_process();
  IMPOUND_CHECK(gate.set_table(message.blocked, message.allowed));
  if (auto const& proxy = message.way_out.proxy) {
    auto const address = address_bytes(proxy->address);
    if (!address) return bug("a proxy that is no address");
    gate.only(*address, proxy->port);
  }
  auto const wake = [descriptor = alert_descriptor_] {
    std::uint64_t const one = 1;
    [[maybe_unused]] auto written = ::write(descriptor, &one, sizeof one);
  };
  arrivals_->wake = wake;
  IMPOUND_TRY(opened, LinuxDisk::open_at("."));
  std::shared_ptr<Disk> const staging = std::move(opened);
  ArrivalLimits limits{.files_max = message.limits.files_max};
  SystemRandomness{}.fill(limits.kept.absent.bytes);
  session_ = make_session(message, counters_, arrival_disk(staging, limits, arrivals_));
  session_->add_extension(piece_news(arrivals_));
  provenance_ = std::make_unique<Provenance>(staging, arrivals_, ProvenanceLimits{});
  session_->add_extension(provenance_->plugin());
  set_address_filter();
  session_->set_alert_notify(wake);
  IMPOUND_TRY(way, web_way(message, alert_descriptor_));
  web_way_ = std::move(way);
  return true;
}

Result<bool> Engine::take(TorrentChunk const& message) {
  auto& bytes = torrents_[message.job];
  if (message.total > settings_.limits.torrent_bytes_max || message.at != bytes.size() ||
      message.bytes.size() > message.total - message.at) {
    return bug("a .torrent out of order");
  }
  bytes += message.bytes;
  return true;
}

Result<bool> Engine::take(AddJob const& message) {
  if (jobs_.contains(message.job.id)) return bug("a job of this name is there");
  IMPOUND_CHECK(begin(message));
  return true;
}

Result<bool> Engine::take(ChooseFiles const& message) {
  auto* const job = job_named(message.job);
  if (job == nullptr) return true;  // it ended before this was read
  if (!job->torrent || job->choice_in_force || job->chosen) return bug("a choice of files that nobody asked for");
  if (message.wanted.size() != job->torrent->files.size()) return bug("a choice among other files");
  job->chosen = true;
  if (std::exchange(job->keeps_few, false)) job->handle.set_max_connections(job_connections_max);
  job->last_progress = steady_clock::now();
  job->forgive_peers();  // of the wait
  std::erase_if(job->files, [&](WantedFile const& file) { return !message.wanted[file.index]; });
  if (!job->held) put_choice(*job);
  return true;
}

void Engine::put_choice(TorrentJob& job) {
  auto const files = job.handle.torrent_file();
  if (!files) return;
  std::vector<lt::download_priority_t> priorities(static_cast<std::size_t>(files->num_files()), lt::dont_download);
  for (auto const& file : job.files)
    priorities[static_cast<std::size_t>(static_cast<int>(file.engine_index))] = lt::default_priority;
  job.handle.prioritize_files(priorities);  // answered by a file_prio_alert
}

Result<bool> Engine::take(PauseJob const& message) {
  if (auto* job = job_named(message.job)) {
    job->paused = true;
    if (job->web.seeding) job->web.seeding->pause();
    if (job->held) return true;
    count_payload(*job, job->handle.status({}));
    job->handle.pause();
  }
  return true;
}

Result<bool> Engine::take(ResumeJob const& message) {
  if (auto* job = job_named(message.job)) {
    job->paused = false;
    job->last_progress = steady_clock::now();
    if (!job->torrent) job->started = job->last_progress;
    job->forgive_peers();  // the pause itself ended connections
    if (!job->held) job->handle.resume();
  }
  return true;
}

Result<bool> Engine::take(RemoveJob const& message) {
  if (auto* job = job_named(message.job)) IMPOUND_CHECK(fail(*job, "cancelled", {}));
  return true;
}

Result<bool> Engine::take(StopWorker const&) { return false; }

TorrentJob* Engine::job_named(std::string const& name) {
  auto const found = jobs_.find(name);
  return found == jobs_.end() || found->second.ending ? nullptr : &found->second;
}

TorrentJob* Engine::job_of(lt::torrent_handle const& handle) {
  for (auto& [name, job] : jobs_) {
    if (job.handle == handle) return &job;
  }
  return nullptr;
}

Result<void> Engine::begin(AddJob const& message) {
  TorrentJob& job = jobs_[message.job.id];
  job.asked = message.job;
  job.started = steady_clock::now();
  job.last_progress = job.started;
  job.choice_in_force = !job.asked.choose_files;
  lt::add_torrent_params params;
  if (auto refusal = prepare(job, message.with_torrent, params)) return refuse(job, std::move(*refusal));
  return add_to_session(job, std::move(params));
}

/// It never was in the session: its end is told at once, and `job` is gone.
Result<void> Engine::refuse(TorrentJob& job, Failed refusal) {
  job.ending = std::move(refusal);
  job.removed = true;
  return tell_ending(job);
}

/// The torrent left the session with an error, for another job has it, too: once more, now that its metadata is known,
/// with what the other one was to ask.
Result<void> Engine::begin_again(TorrentJob& job, SwarmJob const& other, std::shared_ptr<lt::torrent_info> metadata) {
  session_->remove_torrent(job.handle);
  job.handle = {};
  auto const join = [](auto& own, auto const& others) {
    for (auto const& one : others)
      if (std::find(own.begin(), own.end(), one) == own.end()) own.push_back(one);
  };
  join(job.asked.trackers, other.trackers);
  join(job.asked.peers, other.peers);
  join(job.asked.web_seeds, other.web_seeds);
  leave_web(job);
  auto const opened = std::exchange(job.opened, {});
  job.peers.clear();
  lt::add_torrent_params params;
  auto refusal = prepare(job, false, params);
  for (auto const& [address, port] : opened) DialGate::of_this_process().close(address, port);
  if (refusal) return refuse(job, std::move(*refusal));
  params.info_hashes = metadata->info_hashes();
  params.ti = std::move(metadata);
  std::string const name = job.asked.id;
  IMPOUND_CHECK(add_to_session(job, std::move(params)));
  auto* const added = job_named(name);  // it is gone when libtorrent did not take it
  return added != nullptr && !added->held ? take_metadata(*added) : Result<void>{ok()};
}

/// For libtorrent two torrents are one when a v1 hash is the other's v2 hash, cut to 20 bytes. Anybody can write such a
/// magnet about a torrent of somebody else's: which of both is there shows in the metadata alone, so one waits until
/// the other has ended.
bool Engine::in_session(lt::add_torrent_params const& params) const {
  auto const hashes = params.ti ? params.ti->info_hashes() : params.info_hashes;
  bool there = false;
  hashes.for_each([&](lt::sha1_hash const& hash, lt::protocol_version) {
    there = there || session_->find_torrent(hash).is_valid();
  });
  return there;
}

/// Whoever waits for one that has ended.
Result<void> Engine::add_held() {
  std::vector<std::string> names;
  for (auto const& [name, job] : jobs_)
    if (job.held && !job.ending) names.push_back(name);
  for (auto const& name : names)
    if (auto* const job = job_named(name)) IMPOUND_CHECK(add_to_session(*job, *std::exchange(job->held, {})));
  return ok();
}

Result<void> Engine::add_to_session(TorrentJob& job, lt::add_torrent_params params) {
  if (in_session(params)) {
    job.held = std::move(params);
    return ok();
  }
  if (job.paused) params.flags |= lt::torrent_flags::paused;
  job.started = job.last_progress = steady_clock::now();
  lt::error_code error;
  job.handle = session_->add_torrent(std::move(params), error);
  if (error) return refuse(job, failed(job, "refused_limits", error.message()));
  provenance_->begin(job);
  if (job.chosen) put_choice(job);
  return ok();
}

std::optional<Failed> Engine::prepare(TorrentJob& job, bool with_torrent, lt::add_torrent_params& params) {
  auto const sent = torrents_.extract(job.asked.id);
  if (with_torrent) {
    if (sent.empty()) return failed(job, "metadata_refused", "the .torrent did not come");
    if (auto refusal = prepare_torrent(job, sent.mapped(), params)) return refusal;
  } else {
    // 2.0.8 takes a magnet whose hash is no hash as one without any: never let it parse one.
    if (!job.asked.hashes.v1 && !job.asked.hashes.v2) return failed(job, "no_metadata", "no info-hash to look for");
    if (job.asked.hashes.v1) params.info_hashes.v1 = engine_hash<lt::sha1_hash>(*job.asked.hashes.v1);
    if (job.asked.hashes.v2) params.info_hashes.v2 = engine_hash<lt::sha256_hash>(*job.asked.hashes.v2);
  }
  arrivals_->files_left(job.asked.folder, job.asked.left);
  if (::mkdir(job.asked.folder.c_str(), 0700) != 0 && errno != EEXIST) {
    bool const full = errno == ENOSPC || errno == EDQUOT;
    return failed(job, full ? "disk_full" : "worker_ended", "cannot make the folder " + job.asked.folder);
  }
  if (auto refusal = prepare_sources(job, params)) return refusal;
  params.save_path = job.asked.folder;
  params.storage_mode = lt::storage_mode_sparse;
  params.max_connections = job_connections_max;
  job.order = PieceOrder{};
  params.flags = lt::torrent_flags::sequential_download | lt::torrent_flags::apply_ip_filter |
                 lt::torrent_flags::duplicate_is_error | lt::torrent_flags::update_subscribe |
                 lt::torrent_flags::disable_dht | lt::torrent_flags::disable_lsd | lt::torrent_flags::disable_pex;
  // Blocks would be asked for between the metadata's arrival and its being handled.
  if (job.asked.metadata_only || job.asked.choose_files) params.flags |= lt::torrent_flags::default_dont_download;
  return std::nullopt;
}

std::optional<Failed> Engine::prepare_torrent(TorrentJob& job, std::string const& bytes,
                                              lt::add_torrent_params& params) {
  auto read = read_torrent(bytes, metainfo_limits(settings_.limits));
  if (!read) {
    return failed(job, read.error().code == Code::refused ? "refused_limits" : "metadata_refused", read.error().what);
  }
  job.torrent = std::move(read).value();
  if (!is_what_was_asked(*job.torrent, job.asked.hashes)) {
    return failed(job, "metadata_refused", "the .torrent is not the one that was asked for");
  }
  if (auto detail = beyond_limits(*job.torrent, settings_.limits)) return failed(job, "refused_limits", *detail);
  try {
    lt::load_torrent_limits limits;
    limits.max_buffer_size = static_cast<int>(settings_.limits.torrent_bytes_max) + 1024;
    limits.max_decode_tokens = 2'000'000;
    auto const cleaned = without_addresses(bytes, *job.torrent);
    params = lt::load_torrent_buffer({cleaned.data(), static_cast<std::ptrdiff_t>(cleaned.size())}, limits);
  } catch (std::exception const& problem) {
    return failed(job, "metadata_refused", std::string{"libtorrent refuses it: "} + problem.what());
  }
  auto files = params.ti ? wanted_files(params.ti->files(), *job.torrent) : std::nullopt;
  if (!files) return failed(job, "metadata_refused", "libtorrent reads other files in it than we do");
  job.files = std::move(*files);
  job.brings_all_hashes = has_all_hashes(params);
  if (job.brings_all_hashes) params.userdata = &brings_all_hashes;
  params.url_seeds.clear();
  params.http_seeds.clear();
  params.trackers.clear();
  params.tracker_tiers.clear();
  params.dht_nodes.clear();
  return std::nullopt;
}

std::optional<Failed> Engine::prepare_sources(TorrentJob& job, lt::add_torrent_params& params) {
  auto& gate = DialGate::of_this_process();
  bool blocked = false;
  for (auto const& peer : job.asked.peers) {
    auto const bytes = address_bytes(peer.ip);
    if (!bytes && peer.port != 0 && !settings_.way_out.proxy && names_.ask(job.asked.id, peer.ip, peer.port))
      ++job.names_asked;
    lt::error_code error;
    auto const address = lt::make_address(peer.ip, error);
    if (!bytes || error || peer.port == 0) continue;
    if (peer.named_by_operator) {
      gate.open(*bytes, peer.port);
      job.opened.emplace_back(*bytes, peer.port);
    }
    if (!gate.allows(*bytes, peer.port)) {
      blocked = true;
      continue;
    }
    lt::tcp::endpoint const endpoint{address, peer.port};
    if (job.peers.emplace(endpoint, NamedPeer{}).second) params.peers.push_back(endpoint);
  }
  job.tried.begin(job.asked.trackers);
  for (auto const& tracker : job.asked.trackers) {
    if (!known_scheme(tracker)) continue;
    if (settings_.way_out.proxy && tracker.starts_with("udp://")) {
      job.tried.leave_out(tracker, "left out: UDP does not go through the route's proxy");
      continue;
    }
    if (settings_.way_out.proxy && refused_before_proxy(tracker)) {
      job.tried.leave_out(tracker, "left out: the address table refuses it");
      continue;
    }
    params.trackers.push_back(tracker);
    params.tracker_tiers.push_back(0);
    job.has_trackers = true;
  }
  if (!job.opened.empty()) set_address_filter();
  if (job.has_trackers || !job.peers.empty() || job.names_asked > 0 || asks_dht(job)) return std::nullopt;
  if (may_ask_web(job)) return std::nullopt;
  return failed(job, "no_peers",
                blocked ? "its peers are at addresses that are not allowed, and it has no tracker"
                        : "neither a tracker nor a peer is known, and the DHT is not asked");
}

/// libtorrent's own filter: a first sieve, by address alone, so that it does not waste its time on what the gate
/// refuses.
void Engine::set_address_filter() {
  lt::ip_filter filter;
  auto const add = [&filter](std::string const& first, std::string const& last, std::uint32_t flags) {
    lt::error_code first_error;
    lt::error_code last_error;
    auto const from = lt::make_address(first, first_error);
    auto const to = lt::make_address(last, last_error);
    if (!first_error && !last_error && from.is_v4() == to.is_v4()) filter.add_rule(from, to, flags);
  };
  for (auto const& rule : settings_.blocked) add(rule.first, rule.last, lt::ip_filter::blocked);
  for (auto const& rule : settings_.allowed) add(rule.first, rule.last, 0);
  for (auto const& [name, job] : jobs_) {
    if (job.removed) continue;
    for (auto const& peer : job.asked.peers) {
      if (peer.named_by_operator) add(peer.ip, peer.ip, 0);
    }
  }
  session_->set_ip_filter(std::move(filter));
}

}  // namespace impound::fetchers
