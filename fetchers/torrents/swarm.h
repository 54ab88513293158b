// The agent's side of the swarm: starts impound-swarm-worker, hands it jobs, and checks everything it says.
//
// The worker parses what strangers send and may be taken over by them: no message of it is believed. A message of an
// unknown kind, for an unknown job, out of order, out of bounds, or an info dict that does not hash to the info-hash
// asked for ends the worker, and Ended says why. The worker never gets the vault, the log or the key: only its folder.
//
// A Done or Failed comes after libtorrent has let go of the torrent's files, so they may be renamed. After Ended there
// is nothing more to come: jobs that were under way are the caller's to start again with a new Swarm; data in a job's
// folder is checked and used again.
//
// One thread; and since the worker dies with the thread that started it, one that lives as long as the Swarm.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "evidence/system/worker_process.h"
#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

struct SwarmSettings {
  std::string worker_program;  // the path of impound-swarm-worker
  int staging_folder = -1;     // open folder, borrowed; becomes the worker's working folder
  std::vector<AddressRule> blocked;
  std::vector<AllowedEndpoint> allowed;
  std::string user_agent;
  SwarmLimits limits;
  WayOut way_out{};
  std::chrono::milliseconds silence_max{60'000};  // a worker that says nothing for so long is ended
};

/// The whole info dict; its digest is the job's info-hash (SHA-1 for v1, the full SHA-256 for v2).
struct MetadataReceived {
  std::string job;
  std::string info;
};
/// The worker is gone.
struct Ended {
  Ending ending;
  std::string why;         // what it said or did wrong; empty when it ended by itself
  std::string error_tail;  // the end of its standard error
  bool expected = false;   // stop() asked for it
  bool refused = false;    // it could not enter its sandbox (error_tail says why): another try would end alike
};
using SwarmEvent = std::variant<MetadataReceived, Progress, FileDone, FileReached, FilePart, Tried, SwarmRecord, Done,
                                Failed, Incident, Ended>;

class Swarm {
 public:
  static Result<std::unique_ptr<Swarm>> start(SwarmSettings settings);
  ~Swarm();

  /// Code::usage for a job that makes no sense, Code::io when the worker is gone (next() tells how).
  Result<void> add(SwarmJob const& job);
  /// Answered by Failed{cancelled}, unless it ended in another way just before.
  Result<void> remove(std::string const& job);
  /// For a job with choose_files, once its metadata is there: the payload begins. A flag for each of Metainfo.files.
  Result<void> choose(std::string const& job, std::vector<bool> wanted);
  Result<void> pause(std::string const& job);
  Result<void> resume(std::string const& job);

  /// The next event, or nothing after `wait` or once one of `wake` is readable; negative descriptors never are.
  Result<std::optional<SwarmEvent>> next(std::chrono::milliseconds wait, std::span<int const> wake = {});

  /// Asks the worker to end, gives it a few seconds, then kills it.
  void stop();
  pid_t worker() const { return worker_->id(); }
  /// Readable when the worker has said something: for who waits for several.
  int line() const { return worker_->line(); }
  bool has_more_to_tell_it() const { return worker_->unsent(); }
  /// "libtorrent 2.0.8.0", once the worker has said hello.
  std::string const& engine() const { return engine_; }

 private:
  struct Known {
    InfoHashes hashes;
    bool has_metadata = false;
    std::uint64_t metadata_total = 0;
    std::string metadata;
    std::uint64_t files_done = 0;
    bool tried = false;
    bool record = false;
  };

  Swarm(SwarmSettings settings, std::unique_ptr<WorkerProcess> worker);
  Result<void> send(ToWorker const& message);
  Result<void> send_named(ToWorker const& message, std::string const& job);
  Result<void> take(FromWorker message);
  Result<void> take(Hello const& message);
  Result<void> take(Alive const& message);
  Result<void> take(MetadataChunk const& message);
  Result<void> take(Progress const& message);
  Result<void> take(FileDone const& message);
  Result<void> take(FileReached const& message);
  Result<void> take(FilePart const& message);
  Result<void> count_file(std::string const& job, std::uint64_t index);
  Result<void> take(Tried const& message);
  Result<void> take(SwarmRecord const& message);
  Result<void> take(Done const& message);
  Result<void> take(Failed const& message);
  Result<void> take(Incident const& message);
  Result<Known*> known(std::string const& job);
  Result<void> take_buffered();
  void settle();
  void end(std::string why);

  SwarmSettings settings_;
  std::unique_ptr<WorkerProcess> worker_;
  std::map<std::string, Known, std::less<>> jobs_;
  std::deque<SwarmEvent> events_;
  std::string engine_;
  bool greeted_ = false;
  bool incident_ = false;
  bool stopping_ = false;
  bool ended_ = false;
};

}  // namespace impound::fetchers
