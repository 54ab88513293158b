// A run of the agent over one vault: opened, recovered, recorded, closed.
//
// open() is the whole start of DESIGN's order: lock → log recovered (or a rollback refused) → the past read →
// agent.started → sealing plans carried on → ordered erasures carried out → what nothing names set aside → open
// attempts listed → settings.loaded when they changed. Everything that writes evidence goes through the recorder and
// the sealing of a session. One thread, but for the recorder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/work/keys.h"
#include "agent/work/past.h"
#include "agent/work/recorder.h"
#include "agent/work/rollback.h"
#include "evidence/checkpoint_copies.h"
#include "evidence/erasure.h"
#include "evidence/key_files.h"
#include "evidence/sealing.h"
#include "evidence/vault.h"
#include "evidence/warc/unlogged.h"
#include "evidence/warc/writer.h"

namespace impound {
class Clock;
class Randomness;
}  // namespace impound

namespace impound::agent {

/// Where a vault's memory lies: named by the vault's short name, outside the vault.
std::string state_folder(evidence::VaultIdentity const& identity);
/// Where it lies for a service of the system.
std::string service_state_folder(evidence::VaultIdentity const& identity);

/// The vault's folder: --vault, $IMPOUND_VAULT, settings, $XDG_DATA_HOME/impound/vault.
std::string vault_folder(Settings const& settings);

/// A vault that is not there is wrong usage, with the `init` line to run; every other error stays as it is.
Error with_init_hint(Error error, Settings const& settings);

/// Makes a folder of the process's own (0700) and those above it that are missing.
Result<void> make_process_folder(std::string const& path);

/// Who asks: uid, login name and --operator.
evidence::By who(Settings const& settings);
/// The same of another user of this machine; `operator_name` is their word.
evidence::By who(uid_t uid, std::string const& operator_name);

class Session {
 public:
  /// `command`: what the holder is called in agent.started and to others, e.g. "fetch". Code::held when the vault is
  /// taken.
  /// `accept_rollback`: why a vault that is behind its memory may go on all the same; it becomes an entry. "" refuses
  /// it.
  /// `passphrase_file`: one more to try on the key, beside those of the settings.
  static Result<std::unique_ptr<Session>> open(Settings const& settings, std::string const& command, Clock& clock,
                                               Randomness& randomness, std::string const& accept_rollback = {},
                                               std::string const& passphrase_file = {});
  /// A new key signs the log from now on; its file takes the old one's place, which is destroyed. `passphrase` may be
  /// null. The checkpoint that both keys have signed.
  Result<std::string> rotate_key(SecretText const* passphrase, std::string const& reason, evidence::By const& by);
  /// The start has finished a rotation that was cut short.
  bool rotation_finished() const { return rotation_finished_; }
  /// The log's public key at this moment.
  std::string const& vkey() const { return vkey_; }
  /// agent.stopped, everything under a signature, lock given back. `reason`: "done", "signal" or "error".
  Result<void> close(std::string const& reason);
  ~Session();

  evidence::Vault& vault() { return *vault_; }
  Disk& disk() { return vault_->disk(); }
  /// The folder of what this machine remembers of the vault; nothing in it is evidence.
  Disk& state() { return *state_; }
  Recorder& recorder() { return *recorder_; }
  evidence::Sealing& sealing() { return *sealing_; }
  Past& past() { return past_; }
  Clock& clock() { return clock_; }
  Randomness& randomness() { return randomness_; }
  EntryId new_id() { return EntryId::make(clock_, randomness_); }
  /// Something could not be written for lack of room: the reserve is given back if it is needed, and the log is told.
  void disk_full(std::string const& doing);
  /// While work goes on: once there is room again after a full disk, the log says that and the reserve is back.
  Result<void> look_for_room();
  /// Opened when it is asked for first; a file that is due was closed, and the log knows it.
  Result<evidence::WarcWriter*> warc();
  /// One capture behind the others of the open file; on a full disk once more when the reserve was given back. Durable
  /// with the writer's next sync().
  Result<std::vector<evidence::WrittenRecord>> append_to_warc(evidence::PackedCapture const& packed);
  /// Lines about the start that the operator should see ("taken up after a crash: …").
  std::vector<std::string> const& remarks() const { return remarks_; }

 private:
  Session(Clock& clock, Randomness& randomness) : clock_(clock), randomness_(randomness) {}
  Result<void> load_keys(Settings const& settings, std::string const& passphrase_file);
  Result<void> open_copies(Settings const& settings);
  Result<std::unique_ptr<evidence::CustodyLog>> open_log(std::string const& accept_rollback);
  Result<std::unique_ptr<evidence::CustodyLog>> open_accepting(evidence::LogKeys const& keys,
                                                               std::string const& accept_rollback);
  Result<void> read_past(std::string const& vkey);
  Result<void> start_recording(std::string const& command, std::unique_ptr<evidence::CustodyLog> log,
                               evidence::SealWith digests);
  Result<void> tell_of_rollback(evidence::By const& by);
  Result<void> recover(std::uint64_t recovered_entries);
  Result<void> tell_of_sealing();
  Result<void> keep_reserve();
  Result<std::size_t> carry_out_erasures();
  Result<void> close_open_captures(EntryId const& recovered, evidence::SettledWarcs const& warcs);
  Result<void> close_left_warcs();
  Result<void> read_past_again();
  Result<void> record_closed(evidence::ClosedWarc const& closed);
  Result<void> incident(std::string const& what, std::string const& where, std::string const& detail);
  Result<void> record_settings(Settings const& settings);

  Clock& clock_;
  Randomness& randomness_;
  std::unique_ptr<evidence::Vault> vault_;
  std::unique_ptr<LinuxDisk> state_;
  KeyPlace key_place_;
  std::unique_ptr<LinuxDisk> key_folder_;
  std::optional<evidence::KeyFiles> keys_;
  std::unique_ptr<evidence::CheckpointCopies> copies_;
  std::string vkey_;
  bool rotation_finished_ = false;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<evidence::Sealing> sealing_;
  std::unique_ptr<evidence::WarcWriter> warc_;
  evidence::WarcOrigin warc_origin_;
  Past past_;
  evidence::OrderedErasures erasures_;
  std::optional<AcceptedRollback> rollback_;  // not yet in the log
  std::uint64_t past_entries_ = 0;
  std::vector<std::string> remarks_;
  bool closed_ = false;
};

}  // namespace impound::agent
