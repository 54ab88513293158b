// The worker's heart: does what the agent's messages say with a libtorrent session, and says back what came of it.
//
// Everything is judged here first: .torrent files and metadata by our own reader, limits, addresses. libtorrent's
// alerts are turned into messages; a job ends exactly once, by Done or Failed, and only after libtorrent has let go of
// its files. Deadlines are kept by the steady clock.
//
// One thread (main's); libtorrent's own thread meets it in the alert queue only.
#pragma once

#include <libtorrent/alert_types.hpp>
#include <libtorrent/session.hpp>
#include <map>
#include <memory>
#include <string>

#include "evidence/system/frames.h"
#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/arrivals.h"
#include "fetchers/torrents/worker/peer_names.h"
#include "fetchers/torrents/worker/provenance.h"
#include "fetchers/torrents/worker/torrent_job.h"
#include "fetchers/torrents/worker/upload_guard.h"

namespace impound::fetchers {

class Engine {
 public:
  /// `alert_descriptor`: an eventfd that is written when alerts wait.
  Engine(FrameLine& line, int alert_descriptor)
      : line_(line), alert_descriptor_(alert_descriptor), names_(alert_descriptor) {}
  ~Engine();

  /// False: it was told to stop. An error ends the worker.
  Result<bool> handle(ToWorker message);
  /// Takes libtorrent's alerts, and addresses of names that were looked up.
  Result<void> take_alerts();
  /// Twice a second: progress, deadlines, peers dialled again.
  Result<void> tick();

 private:
  Result<bool> take(Configure const& message);
  Result<bool> take(TorrentChunk const& message);
  Result<bool> take(AddJob const& message);
  Result<bool> take(ChooseFiles const& message);
  Result<bool> take(PauseJob const& message);
  Result<bool> take(ResumeJob const& message);
  Result<bool> take(RemoveJob const& message);
  Result<bool> take(StopWorker const& message);

  Result<void> take_alert(lt::alert* alert);
  void take_names();
  Result<void> take_status(lt::torrent_status const& status);
  Result<void> take_metadata(TorrentJob& job);
  Result<void> take_metadata(TorrentJob& job, lt::torrent_info const& engine_torrent);
  Result<void> make_one(lt::torrent_conflict_alert const& conflict);
  Result<void> take_choice_in_force(TorrentJob& job);
  Result<void> take_removed(lt::torrent_handle const& handle);
  Result<void> take_stats(lt::session_stats_alert const& alert);

  /// Reads the .torrent's bytes, or sets up a magnet. Text: why it is refused.
  Result<void> begin(AddJob const& message);
  Result<void> refuse(TorrentJob& job, Failed refusal);
  Result<void> begin_again(TorrentJob& job, SwarmJob const& other, std::shared_ptr<lt::torrent_info> metadata);
  Result<void> add_to_session(TorrentJob& job, lt::add_torrent_params params);
  bool in_session(lt::add_torrent_params const& params) const;
  Result<void> add_held();
  void put_choice(TorrentJob& job);
  std::optional<Failed> prepare(TorrentJob& job, bool with_torrent, lt::add_torrent_params& params);
  std::optional<Failed> prepare_torrent(TorrentJob& job, std::string const& bytes, lt::add_torrent_params& params);
  std::optional<Failed> prepare_sources(TorrentJob& job, lt::add_torrent_params& params);
  void set_address_filter();

  Result<void> judge(TorrentJob& job, SteadyTime now);
  bool nobody_left(TorrentJob const& job) const;
  bool asks_dht(TorrentJob const& job) const;
  void ask_dht(TorrentJob& job, SteadyTime now);
  void be_in_dht(bool wanted);
  void leave_dht();
  void take_dht(lt::dht_get_peers_reply_alert const& alert);
  void dial_again(TorrentJob& job);
  bool may_ask_web(TorrentJob const& job) const;
  void begin_web(TorrentJob& job);
  void tend_web(TorrentJob& job, SteadyTime now);
  void take_web(TorrentJob& job);
  void leave_web(TorrentJob& job);
  std::string why_nobody(TorrentJob const& job) const;
  static std::vector<std::string> web_seeds_of(TorrentJob const& job);
  static void see_web_rate(TorrentJob& job, SteadyTime now);
  Result<void> tell_file(TorrentJob& job, WantedFile& file);
  Result<void> finish(TorrentJob& job);
  Result<void> fail(TorrentJob& job, char const* reason, std::string detail);
  Result<void> end(TorrentJob& job, std::variant<Done, Failed> ending);
  Result<void> tell_endings();
  Result<void> tell_ending(TorrentJob& job);
  Result<void> fail_for_disk(TorrentJob& job, Error const& error);
  bool has_arrived(TorrentJob const& job, WantedFile const& file) const;
  void note_whole_files(TorrentJob& job);
  Result<void> tell_arrived(TorrentJob& job);
  Result<void> tell_reached(TorrentJob& job);
  void keep_layers(TorrentJob& job);
  Result<void> tell_left(TorrentJob& job, bool failed);
  Result<void> trip_wire(std::uint64_t sent);
  Result<void> send(FromWorker const& message) { return line_.send(to_frame(message)); }
  TorrentJob* job_of(lt::torrent_handle const& handle);
  TorrentJob* job_named(std::string const& name);

  FrameLine& line_;
  int alert_descriptor_;
  Configure settings_;
  PeerNames names_;
  UploadCounters counters_;
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  std::unique_ptr<Provenance> provenance_;                    // with the session
  std::unique_ptr<lt::session> session_;                      // after the counters: its plugins point to them
  std::map<std::string, std::string, std::less<>> torrents_;  // .torrent files that come in chunks
  std::map<std::string, TorrentJob, std::less<>> jobs_;
  std::shared_ptr<WebWay const> web_way_;
  bool hears_of_pieces_ = false;  // by an alert each: once a job has web seeds
  bool in_dht_ = false;
  std::uint64_t sent_payload_bytes_ = 0;  // by the session's own count
};

}  // namespace impound::fetchers
