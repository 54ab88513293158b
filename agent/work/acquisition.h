// Acquisitions: from "this torrent" to sealed exhibits and exactly one result.
//
// begin() makes the attempt durable before the first packet leaves; pump() takes the swarm's events one by one:
// metadata is sealed first and at once (no payload comes before), files as they are whole, while the rest still comes,
// then the file list, then the result. An attempt that a crash or Ctrl-C left open is taken up by the next begin() for
// the same torrent: same attempt, same staging folder. Every way to end has its result, but for interrupt(), which
// keeps the state for the next run. What nobody has yet, and no person waits for, lies by and is tried again
// (patience.h); its result comes when patience is over.
//
// What is caused by something else goes the way of its cause (P4): each route has a worker of its own, started with its
// first acquisition; slots and the room on the disk are counted over all of them. An attempt that an earlier run left
// open goes on by the route that it names.
//
// One thread: the one that opened the session.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/service/progress_line.h"
#include "agent/service/terminal.h"
#include "agent/settings/settings.h"
#include "agent/work/file_selection.h"
#include "agent/work/patience.h"
#include "agent/work/routes.h"
#include "agent/work/session.h"
#include "agent/work/slot_queue.h"
#include "agent/work/swarm_lane.h"
#include "agent/work/target.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/part_check.h"
#include "fetchers/torrents/payload_check.h"
#include "fetchers/torrents/piece_range.h"
#include "fetchers/torrents/swarm.h"

namespace impound::agent {

/// What led to an acquisition, and how it is to be done.
struct Wanted {
  TorrentTarget target;
  std::string route{};             // "" for the default
  std::optional<EntryId> cause;    // the entry that named it; absent for a person's command
  std::optional<evidence::By> by;  // the person
  std::optional<CaseName> case_name;
  std::vector<std::string> peers;  // --peer HOST:PORT, exempt from the address table for exactly that
  bool metadata_only = false;
  std::optional<std::chrono::seconds> timeout;  // --timeout: without a new byte
};

/// How the detail of a result begins whose worker may not run here: the same command would end alike.
inline constexpr std::string_view worker_does_not_start = "the swarm worker does not start: ";

struct AcquisitionOutcome {
  InfoHashes hashes;
  std::string name;    // raw bytes of the torrent's name; "" without metadata
  std::string state;   // complete, partial, failed, metadata_only
  std::string reason;  // one of the worker protocol's words, "" when complete
  std::string detail;
  EntryId result;
  std::uint64_t files = 0;
  std::uint64_t files_sealed = 0;
  std::uint64_t bytes_sealed = 0;
  std::uint64_t uploaded_payload_bytes = 0;
  std::uint64_t files_left_out = 0;     // by the selection
  std::optional<EntryId> goes_on_as{};  // another attempt that turned out to have the same torrent, or its result
  EntryId attempt;
  struct Missing {
    std::string path_bytes;
    std::uint64_t size = 0;
    std::uint64_t verified_bytes = 0;  // of a part that was kept
  };
  std::vector<Missing> missing{};  // the first of the files that were wanted and are not sealed whole
  std::uint64_t missing_more = 0;  // beyond those
};

struct Begun {
  std::optional<EntryId> held;      // the result that completed it earlier; then nothing was started
  std::optional<EntryId> erased{};  // the entry that ordered bytes of it gone; then nothing was started, either
  bool taken_up = false;            // an attempt of an earlier run goes on
  bool running_already = false;
  std::optional<EntryId> attempt{};  // that was begun, goes on or runs already
  bool metadata_there = false;       // only metadata was wanted, and an open attempt has it already
};

class Acquisitions {
 public:
  Acquisitions(Session& session, Settings const& settings, fetchers::AddressPolicy const& policy, Routes const& routes,
               Terminal& terminal);
  ~Acquisitions();

  /// By `wanted.route`, or by that of the attempt it goes on with. Code::usage for a route that takes no torrents or is
  /// no longer in the settings, and for peers that it cannot reach.
  Result<Begun> begin(Wanted wanted);
  /// Attempts that an earlier run left open without a person behind them go on.
  Result<std::size_t> take_up_open();
  /// Waits at most `wait` for the workers, or until `wake_descriptor` is readable, and works off what came. A worker
  /// that died while it had nothing to do is heard of here, too.
  Result<void> pump(std::chrono::milliseconds wait, int wake_descriptor);
  /// Nothing is under way: there are none, or they all lie by until they are tried again.
  bool idle() const { return lying_by() == running_.size(); }
  /// Those that found nobody and are tried again later.
  std::size_t lying_by() const;
  /// Of those that run, by their attempts.
  std::map<EntryId, TorrentProgress> progress() const;
  /// What an operator ends: `closed` (a job.closed) and the attempt's result are durable together. Of an attempt that
  /// an earlier run left open and this one has not begun; Code::not_found for every other. The result.
  Result<EntryId> cancel(EntryId const& attempt, evidence::EntryDraft closed);
  /// Ends the worker. Open attempts stay open, their data stays in staging.
  void interrupt();
  /// Those that ended since the last call.
  std::vector<AcquisitionOutcome> take_outcomes();

 private:
  /// Payload on its way into the vault.
  struct Intake {
    std::map<std::uint64_t, fetchers::FileDone> whole{};       // as the worker calls it, not sealed yet; by index
    std::optional<fetchers::PayloadCheck> check{};             // in the torrent's order, as far as files are whole
    std::map<std::uint64_t, fetchers::FileReached> reached{};  // large ones that still come
    std::optional<std::uint64_t> read{};                       // bytes of the file that is due; none: not begun
    std::optional<std::int64_t> unreadable_since_us{};         // the file that is due: tried again for a while
    std::shared_ptr<evidence::HashedFile> leased{};            // the file that is due, where it is read under a lease
    std::map<std::uint64_t, std::shared_ptr<evidence::HashedFile>> hashed{};  // judged, and leased since; by index
    std::map<std::uint64_t, fetchers::FilePart> parts{};                      // never to be whole; by index
    std::map<std::uint64_t, Json> kept_parts{};                 // of these that were sealed: what the file list says
    std::map<std::uint64_t, std::string> unreadable{};          // of those that were read: why not
    std::vector<std::optional<fetchers::PieceRange>> pieces{};  // of each file of the torrent
    std::int64_t judged_us = 0;                                 // since when one waits to be sealed; 0: none does
    std::uint64_t files = 0;                                    // sealed by this run
    std::uint64_t bytes = 0;
    std::map<std::uint64_t, Sha256> sealed{};  // whole or, at the end, in part; by index
    std::vector<std::string> refused{};
    std::uint64_t refused_more = 0;       // beyond those, without a text
    std::string lines{};                  // application/vnd.impound.files+jsonl, of those that were sealed
    std::set<std::uint64_t> not_taken{};  // objects that are named as these files, and are not what they should be
    bool held_looked_for = false;         // every file, since it got its slot
    std::uint64_t held_files = 0;         // that were found since
    bool wrong = false;                   // bytes that are not the torrent's were among them

    /// What is held by them is read again when it is sealed.
    void drop_leases() {
      hashed.clear();
      leased.reset();
    }
  };
  struct Running {
    EntryId attempt;
    SwarmLane& lane;
    InfoHashes hashes;
    std::optional<CaseName> case_name{};
    fetchers::SwarmJob job{};  // to start it again after the worker died
    std::optional<fetchers::Metainfo> metainfo{};
    std::optional<EntryId> metadata_entry{};
    std::map<std::string, SealedBefore> sealed_before{};  // path_hex, by an earlier run
    std::map<std::string, SealedBefore> parts_before{};   // the same
    Intake intake{};
    bool metadata_only = false;
    bool in_worker = false;  // handed over, and the worker lives
    bool paused = false;     // there, while another runs alone
    bool by_person = false;
    bool taken_up = false;  // an attempt of an earlier run
    std::string cause{};    // the entry that named it, "" for none
    FileSelection selection{};
    std::vector<std::string> left_out{};  // of each file of the torrent: why it is not taken, "" for none
    std::uint64_t files = 0;              // of payload, once there is metadata
    std::uint64_t wanted_bytes = 0;       // of those that are taken and not sealed yet
    std::uint64_t number = 0;             // in the order they began
    bool slot = false;                    // its payload may come
    unsigned turns = 0;                   // slots that it gave back without a byte
    std::int64_t last_byte_us = 0;        // or the beginning of its slot
    std::int64_t in_vain_us = 0;          // time in slots without a byte, those before this one
    std::uint64_t staged_bytes = 0;       // of its payload that is not sealed, for which the disk has given the room
    std::uint64_t left_bytes = 0;         // sealed, of what its worker counts as downloaded
    std::optional<std::int64_t> staging_measured_us{};
    std::optional<std::string> waits{};  // for a slot, told in the log: why
    std::optional<std::int64_t> no_room_since_us{};
    bool metadata_in_worker = false;  // the worker that lives has it
    bool chosen = false;              // and was told which files
    std::string refused_reason{};     // we ended it ourselves, for this reason
    std::string refused_detail{};
    std::optional<EntryId> goes_on_as{};       // another attempt has the same torrent, or its result
    std::optional<Patience> patience{};        // once a try came to nothing, of those that are tried again
    bool got_something = false;                // in this try: a byte or metadata
    std::uint64_t downloaded_before = 0;       // by earlier tries of this run
    std::optional<EntryId> torrent_capture{};  // that brought the .torrent
    std::string torrent_media_type{};          // as the server claimed it
    fetchers::Progress progress{};
    std::int64_t begun_us = 0;
    std::optional<std::chrono::seconds> metadata_after{};  // where peers gave it
    std::optional<fetchers::Tried> tried{};                // whom its last worker asked
    std::optional<fetchers::SwarmRecord> record{};         // where that has left it
    std::optional<SealedBefore> record_before{};           // by an earlier run
    std::set<std::string> incidents_told{};                // by earlier tries of this run
  };
  /// A swarm record that lies in an acquisition's staging folder.
  struct LeftRecord {
    EntryId attempt;
    InfoHashes hashes;
    std::optional<CaseName> case_name;
    std::string staging;                        // the folder
    std::optional<fetchers::SwarmRecord> told;  // by the worker that left it
    std::optional<SealedBefore> sealed_before;  // by an earlier run
  };
  /// How the swarm's part ended.
  struct SwarmPart {
    std::string reason;
    std::string detail;
    std::uint64_t downloaded = 0;
    std::uint64_t uploaded = 0;
  };

  Result<SwarmLane*> lane_for(Wanted const& wanted, OpenAcquisition const* open);
  Result<EntryId> record_attempt(Wanted const& wanted, SwarmLane const& lane, Json const& selection);
  Result<void> record_resumption(Wanted const& wanted, OpenAcquisition const& open, SwarmLane const& lane,
                                 std::uint64_t staged);
  static void bound_sources(Wanted& wanted, OpenAcquisition const* open);
  Result<void> take_up(Running& running, OpenAcquisition const& open);
  Result<void> take_metainfo(Running& running, fetchers::Metainfo metainfo, std::string_view bytes, bool whole_torrent);
  std::vector<std::string> refused_sources(TorrentTarget const& target, Route const& route) const;
  static bool wholly_sealed(Running const& running);
  /// By this run or an earlier one.
  static bool is_sealed(Running const& running, std::size_t index);
  static std::vector<bool> files_that_left(Running const& running);
  std::optional<std::pair<std::string, std::string>> why_not(Running const& running) const;
  Result<void> add_to_swarm(std::string const& job);
  Result<void> let_run();
  Result<void> give_slots();
  Result<void> end_turns(std::size_t waiting);
  Result<void> give_slot(Running& running);
  std::set<std::string> lookups_to_begin() const;
  Result<void> let_wait(Running& running, std::string why);
  Result<void> let_wait_for_room(Running& running, std::string const& why);
  void measure_staging();
  std::optional<std::string> no_room_beside_others(Running const& running) const;
  std::optional<std::string> no_room_for_the_rest(Running const& running) const;
  std::set<std::string> lent_slots() const;
  void choose_files();
  FileSelection selection_for(Wanted const& wanted) const;
  Result<void> end_in_swarm(std::string const& job);
  Result<void> end_refused(std::string job);
  Result<void> join_same(Running& running);
  Result<void> join_sources(Running& running, Running const& other);
  Result<evidence::EntryDraft> result_of_left(OpenAcquisition const& open, std::string const& folder,
                                              std::string const& detail);
  Result<void> end_same(InfoHashes const& hashes, FileSelection const& selection, EntryId const& completed_by);
  fetchers::SwarmJob job_for(Wanted const& wanted, EntryId const& attempt, Route const& route) const;

  Result<void> hear(std::chrono::milliseconds wait, int wake_descriptor);
  Result<void> on(SwarmLane& lane, fetchers::MetadataReceived const& event);
  Result<void> on(SwarmLane& lane, fetchers::Progress const& event);
  Result<void> on(SwarmLane& lane, fetchers::FileDone const& event);
  Result<void> on(SwarmLane& lane, fetchers::FileReached const& event);
  Result<void> on(SwarmLane& lane, fetchers::FilePart const& event);
  Result<void> on(SwarmLane& lane, fetchers::Tried const& event);
  Result<void> on(SwarmLane& lane, fetchers::SwarmRecord const& event);
  Result<void> on(SwarmLane& lane, fetchers::Done const& event);
  Result<void> on(SwarmLane& lane, fetchers::Failed const& event);
  Result<void> on(SwarmLane& lane, fetchers::Incident const& event);
  Result<void> on(SwarmLane& lane, fetchers::Ended const& event);
  Result<void> record_upload(std::uint64_t sent_payload_bytes);
  Result<void> record_death(SwarmLane const& lane, fetchers::Ended const& event, pid_t pid,
                            JobRevival::Death const& death);
  Result<void> finish(std::string const& job, SwarmPart ending);
  std::optional<Patience> patience_of(Running const& running) const;
  Result<bool> lie_by(Running& running, SwarmPart const& ending);
  Result<EntryId> record_stall(Running const& running, SwarmPart const& ending);
  Result<void> tell_refused(Running& running, EntryId const& cause);
  void try_due_again();
  static void bring_metadata(Running& running);
  /// One that lies by is in no slot and not in the worker.
  static bool lies_by(Running const& running) { return running.patience && running.patience->waits(); }
  /// A source names what runs already; what lies by is tried again soon. True.
  Result<void> named_again(Running& running, Wanted const& wanted);
  static OpenAcquisition as_open(Running const& running);
  void refuse_held(Running& running) const;
  Result<void> take_held_files(Running& running, std::uint64_t bytes_max);
  Result<void> look_for_held_files();
  Result<void> end_where_all_is_held(Running& running);
  static Json origin_of(Running& running, std::size_t index);
  static std::string taken_line(fetchers::TorrentFile const& file, std::uint64_t index,
                                evidence::SealedFile const& sealed, EntryId const& from);
  Result<void> close_others(InfoHashes const& hashes, EntryId const& completed_by);
  /// What a worker says of a file is what the metadata says, which the agent hashed itself, and the file was chosen.
  static bool known(Running const& running, fetchers::FileDone const& done);
  enum class Rest { comes, is_over };
  Result<void> take_in_payload(Running& running, Rest rest);
  Result<void> hold_against_torrent(Running& running, Rest rest);
  Result<void> read_on(Running& running, std::string const& staged_path, std::uint64_t to);
  Result<void> read_whole_file(Running& running, fetchers::FileDone const& done, std::uint64_t& left);
  std::shared_ptr<evidence::HashedFile> lease(Running const& running, fetchers::FileDone const& done);
  void end_file(Running& running);
  Result<void> read_sealed_edges(Running& running, std::size_t index);
  Result<void> seal_judged(Running& running, Rest rest);
  Result<void> seal_batch(Running& running, std::vector<fetchers::FileDone> const& batch);
  Result<void> seal_parts(Running& running);
  Result<void> seal_these_parts(Running& running, fetchers::PartCheck const& check,
                                std::vector<evidence::ToSeal> const& files, std::vector<std::uint64_t> const& of);
  Json part_of(Running const& running, fetchers::PartCheck const& check, std::uint64_t file, std::string const& exhibit,
               Sha256 const& digest);
  std::vector<fetchers::ByteRange> verified_of(Running const& running, fetchers::PartCheck const& check,
                                               std::size_t file);
  std::vector<Sha256> layer_of(Running const& running, fetchers::PartCheck const& check, std::size_t file);
  void keep_parts_of_before(Running& running, fetchers::PartCheck const& check);
  std::string place_of(Running const& running, std::size_t file) const;
  static std::string problem_of(Running const& running, fetchers::FileDone const& done);
  static void explain(SwarmPart& ending, Intake const& intake, std::uint64_t files, std::uint64_t files_sealed);
  Result<std::optional<EntryId>> seal_file_list(Running const& running);
  Result<std::string> read_swarm_record(LeftRecord const& left);
  Result<std::optional<EntryId>> seal_swarm_record(LeftRecord const& left, std::string& refused);
  /// Files of a torrent that are neither padding nor symbolic links.
  static std::uint64_t payload_files(fetchers::Metainfo const& metainfo);
  static std::uint64_t symbolic_links(fetchers::Metainfo const& metainfo);
  /// Those that the selection leaves.
  static std::uint64_t files_left_out(Running const& running);
  /// Has something to do in the worker: metadata to look for, or payload that may come.
  static bool has_work(Running const& running);
  /// Its metadata is there, and its payload may not come yet.
  static bool waits_for_slot(Running const& running);
  /// Another torrent of its worker runs alone, since that may be the one that ends it.
  static bool held_by_trial(std::string const& id, Running const& running);
  /// A part of its payload lies in staging.
  static bool begun_before(Running const& running) { return running.taken_up || running.turns > 0 || running.patience; }
  static Queued queued(std::string const& id, Running const& running);
  /// A folder for it, in its route's own.
  static std::string staging_of(Running const& running) { return running.lane.route.name + "/" + running.job.folder; }
  /// Once the metadata says what there is.
  static void count_wanted(Running& running);
  /// What is wanted of it and does not lie in staging yet.
  static std::uint64_t bytes_to_come(Running const& running);
  static Json tried_json(Running const& running);
  Running* find(std::string const& job);
  void show_progress();
  static void add_missing(Running const& running, AcquisitionOutcome& outcome);
  static constexpr std::size_t plain_columns = 120;

  Session& session_;
  Settings const& settings_;
  fetchers::AddressPolicy const& policy_;
  Routes const& routes_;
  Terminal& terminal_;
  std::map<std::string, SwarmLane> lanes_;  // by route
  std::uint64_t begun_ = 0;                 // so far
  std::size_t next_lane_ = 0;               // that is waited on; its turn in hear()
  std::map<std::string, Running> running_;  // by job id, which is the attempt's
  std::vector<AcquisitionOutcome> outcomes_;
};

}  // namespace impound::agent
