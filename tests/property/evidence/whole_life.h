// One whole life of a vault in small, over a SimulatedDisk: created, sealed into, stamped, its key rotated, some of it
// erased, closed; and the start that recovers it, in the order of the agent's. Any step may fail.
//
// A Ledger goes along over all lives of one vault: what was handed to the log, what it acknowledged, which checkpoints
// came out. What a Life finds to be against a promise while it runs is added to Ledger::wrong.
//
//     v/ the vault    s/ STATE    k/ the key's folder    c/ a copy of the last checkpoint
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "evidence/checkpoint_copies.h"
#include "evidence/erasure.h"
#include "evidence/formats/hex.h"
#include "evidence/key_files.h"
#include "evidence/log_reader.h"
#include "evidence/start_recovery.h"
#include "evidence/timestamps/anchor.h"
#include "evidence/timestamps/stamping_history.h"
#include "evidence/warc/unlogged.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/stamped_vault.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {

inline constexpr char const* secret_object = "the bytes that are ordered gone";
inline constexpr char const* secret_note = "the words that are ordered gone";

struct Ledger {
  std::map<std::uint64_t, std::set<std::string>> attempted;  // by index: a lost one may have a successor
  std::map<std::uint64_t, std::string> acknowledged;
  std::vector<std::string> published;  // checkpoints, as they came out
  bool created = false;
  bool rotated = false;
  bool erased = false;
  std::size_t failed_syncs = 0;  // that something had to answer for
  std::size_t poisoned = 0;      // logs that stopped, and were asked again
  std::vector<std::string> wrong;

  std::size_t fingerprint() const {
    std::string all{created ? 'c' : '-', rotated ? 'r' : '-', erased ? 'e' : '-'};
    for (auto const& [index, bytes] : acknowledged) all += std::to_string(index) + bytes;
    for (auto const& [index, several] : attempted)
      for (std::string const& bytes : several) all += bytes;
    for (std::string const& note : published) all += note;
    return std::hash<std::string>{}(all);
  }
};

constexpr unsigned char second_fill = 8;

/// The log's key before the rotation is test_key(), this the one after it.
inline SigningKey const& second_key() { return test_key(second_fill); }

/// Of test_key(), which is slow to make.
inline std::string const& first_vkey() {
  static std::string const made = test_key().vkey(TestVault::origin);
  return made;
}
inline NoteKey const& first_public_key() {
  static NoteKey const made = test_key().public_key(TestVault::origin);
  return made;
}
inline NoteKey const& second_public_key() {
  static NoteKey const made = second_key().public_key(TestVault::origin);
  return made;
}

/// Made once: its keys are at random.
inline Authority& life_authority() {
  static Authority made("one");
  return made;
}

class Life {
 public:
  /// `destroy_first`: the canary that destroys before the order is durable.
  Life(SimulatedDisk& disk, Ledger& ledger, std::uint64_t seed, FaultPlan plan = {}, bool destroy_first = false)
      : disk_(disk),
        ledger_(ledger),
        plan_(plan),
        destroy_first_(destroy_first),
        vault_(disk.folder("v")),
        state_(disk.folder("s")),
        keys_folder_(disk.folder("k")),
        randomness_(seed),
        keys_(*keys_folder_, "log.pem", {SimulatedDisk::owner, false}),
        copies_({{"/c/copy", "copy", [&disk]() -> Result<std::unique_ptr<Disk>> { return disk.folder("c"); }}},
                [](std::string const&) {}) {}

  // --- the steps of a life, in order
  Result<void> create();
  Result<void> start();
  Result<void> seal();
  Result<void> capture();
  Result<void> note(std::string const& text);
  Result<void> publish();
  Result<void> timestamp();
  Result<void> rotate();
  Result<void> erase();
  Result<void> stop();

  /// All of them. One that fails while the machine goes on is tried once more: then the vault is closed, as the agent
  /// does. Whether all succeeded.
  bool whole();
  /// After a start: the vault takes more.
  Result<void> go_on();

  Disk& vault() { return *vault_; }
  Disk& state() { return *state_; }
  Disk& keys_folder() { return *keys_folder_; }
  CustodyLog& log() { return *log_; }
  Result<LogReader> read_log() { return LogReader::open(*vault_, first_vkey()); }

 private:
  using Step = std::function<Result<void>()>;
  /// No step is a success in which a sync has failed.
  Result<void> answered(Step const& step);
  Result<void> through_log(std::vector<std::string> const& entries, Step const& call);
  void ask_again();
  Result<void> record(std::vector<EntryDraft> const& drafts);
  Result<void> read_past();
  Result<void> take_past(ReadEntry const& entry);
  Result<void> recover();
  Result<void> finish(EntryId attempt, StampingAttempt const& asked);
  Result<void> destroy_then_record(ErasureOrder const& order);

  SimulatedDisk& disk_;
  Ledger& ledger_;
  FaultPlan plan_;
  bool destroy_first_;
  std::unique_ptr<Disk> vault_, state_, keys_folder_;
  FakeClock clock_;
  SeededRandomness randomness_;
  KeyFiles keys_;
  CheckpointCopies copies_;
  EntryMaker maker_{clock_, randomness_};
  std::unique_ptr<CustodyLog> log_;
  std::unique_ptr<Sealing> sealing_;
  std::unique_ptr<WarcWriter> warc_;
  std::map<std::string, std::uint64_t> index_of_;  // of entries of this life, by path or text

  // the past, as the log tells it at a start
  std::set<EntryId> logged_;
  std::vector<Sha256> objects_;
  LoggedWarcs warcs_;
  OrderedErasures orders_;
  StampingHistory stamping_;
};

/// The folders of a vault without a log, a key, and what a worker has staged: its bytes are not synced.
inline std::unique_ptr<SimulatedDisk> before_life() {
  auto const made = [] {
    auto disk = std::make_unique<SimulatedDisk>();
    for (char const* folder : {"v", "s", "k", "c"}) disk->put_folder(folder);
    REQUIRE(make_vault_folders(*disk->folder("v")));
    disk->put_folder("v/staging/swarm/a");
    SeededRandomness randomness(1);
    REQUIRE(test_key().write_new(*disk->folder("k"), "log.pem", randomness));
    return disk;
  };
  static std::unique_ptr<SimulatedDisk> const once = made();
  auto disk = once->after_power_cut(1);
  for (auto const& [name, bytes] : {std::pair{"secret", secret_object}, std::pair{"kept", "kept bytes"}}) {
    auto file = DiskFile::open(*disk, std::string("v/staging/swarm/a/") + name, Open::create);
    REQUIRE(file);
    REQUIRE(file.value().write(0, bytes_of(std::string_view(bytes))));
  }
  REQUIRE(disk->sync_folder("v/staging/swarm/a"));
  return disk;
}

}  // namespace impound::evidence
