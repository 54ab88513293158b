// The custody log: append-only, its entries acknowledged by one fdatasync of the journal, then published as C2SP
// tlog-tiles under a signed checkpoint. The order of writes of publish():
//
//     bundles and tiles (temp names, synced one by one or all at once, then renamed; folders synced)
//       → STATE/last-checkpoint (compare and swap) → its copies → log/checkpoint (rename) → stale partial tiles removed
//       → journal emptied
//
// Recovery is publish() again: open() hands it what the journal holds beyond the last checkpoint. A crash between the
// swap and the rename leaves last-checkpoint ahead; if the vault's bundles hash to its root the rename is finished,
// else the vault was rolled back and is refused.
//
// A rotation of the key is an entry, too: the checkpoint that first covers it is signed by the old and the new key, all
// later ones by the new key alone.
//
// One writer thread. append() waits for at most one publish, its own, when the journal has no room. A failed write or
// sync poisons the log: every later append and publish fails, the process must end, and the next start repairs. The one
// exception is an append that finds the disk full before its sync (Code::no_space): it may be tried again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "evidence/checkpoint.h"
#include "evidence/checkpoint_copies.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/journal.h"
#include "evidence/key_rotation.h"
#include "evidence/last_checkpoint.h"
#include "evidence/signing_key.h"
#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

inline constexpr std::string_view log_checkpoint_path = "log/checkpoint";

/// What open() does with a vault that is behind its STATE (or has none): refuse, or go on because an operator said so.
enum class Rollback { refuse, accept };

/// The private keys that a log may have to be signed with; they must outlive it.
struct LogKeys {
  SigningKey const* current = nullptr;
  SigningKey const* next = nullptr;  // of a rotation that was cut short, if there was one
  std::optional<NoteKey> first{};    // the log's first key, as vault.toml has it; nothing: it is `current`
};

class CustodyLog {
 public:
  /// A new log whose entry 0 is `first_entry`, published on return. Code::exists when there is one.
  static Result<std::unique_ptr<CustodyLog>> create(Disk& vault, Disk& state, SigningKey const& key, std::string origin,
                                                    std::string_view first_entry);
  /// Code::not_found: no log. Code::rolled_back: behind last-checkpoint or one of `copies`, or a fork of it.
  /// Code::damaged: tiles or journal are not what was written. Code::usage: neither key is the log's newest; whose it
  /// is stands in the hint. A rotation that was cut short after its entry was durable is finished. `copies` may be
  /// null; else they outlive the log.
  static Result<std::unique_ptr<CustodyLog>> open(Disk& vault, Disk& state, LogKeys keys, std::string origin,
                                                  Rollback rollback = Rollback::refuse,
                                                  CheckpointCopies* copies = nullptr);
  /// The same for a log whose first key this is.
  static Result<std::unique_ptr<CustodyLog>> open(Disk& vault, Disk& state, SigningKey const& key, std::string origin,
                                                  Rollback rollback = Rollback::refuse);

  /// Durable on return, as one group; gives the index of the first. Code::refused (nothing written, log stays usable)
  /// for no entry, an empty one, one over 65,535 bytes, or more than the journal takes in one group.
  Result<std::uint64_t> append(std::span<std::string const> entries);
  /// All that was appended comes under a signed checkpoint. Nothing new: nothing is written.
  Result<void> publish();
  /// Appends `entry`, a key.rotated from the newest key to `next` made for exactly this size, and publishes it under
  /// both signatures. Everything before it must be published. Code::refused: it is no such entry, nothing is written.
  /// After any other error only the next start knows whether the key has changed: `next` must not be thrown away.
  Result<void> rotate(std::string const& entry, SigningKey const& next);

  /// All keys of the log, the newest signs.
  KeyChain const& keys() const { return chain_; }
  SigningKey const& signing_key() const { return *key_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t published_size() const { return tree_.size(); }
  /// Entries that open() found in the journal only.
  std::uint64_t recovered_entries() const { return recovered_; }
  Checkpoint const& checkpoint() const { return published_->checkpoint; }
  bool poisoned() const { return poisoned_; }

 private:
  CustodyLog(Disk& vault, Disk& state, LogKeys keys, std::string origin, Journal journal);
  class Integration;

  // custody_log_start.cpp
  Result<void> compare_with_state(Rollback rollback);
  Result<void> read_notes(Rollback rollback, std::optional<CheckpointNote>& last);
  Result<void> follow_keys(std::optional<std::string> const& last);
  Result<void> choose_key();
  Result<void> compare_with_copies(Rollback rollback);
  std::vector<NoteKey> known_keys() const;
  Result<LeafHash> leaf_of(std::string_view entry, TileName const& tile, unsigned position);
  Result<void> finish_rename(CheckpointNote const& last);
  Result<void> check_descends_from(CheckpointNote const& last);
  // custody_log.cpp
  Result<void> integrate_journal();
  Result<void> take(Integration& integration, std::string_view entry);
  Result<void> follow(Integration const& integration, std::string_view entry);
  Result<std::string> signed_note(Checkpoint const& checkpoint);
  Result<void> integrate(Integration& integration);
  Result<std::string> read_tile(TileName const& tile);
  Error poison(Error error);
  Result<void> not_poisoned() const;

  Disk& vault_;
  Disk& state_;
  SigningKey const* key_;   // signs; the one of chain_.newest() once the log is open
  SigningKey const* next_;  // of a rotation, or null
  CheckpointCopies* copies_ = nullptr;
  std::string origin_;
  KeyChain chain_;
  Journal journal_;
  TileBuilder tree_;                         // as published
  std::optional<CheckpointNote> published_;  // log/checkpoint
  std::optional<std::string> last_;          // the bytes of STATE/last-checkpoint
  std::set<std::string> durable_folders_;    // under log/, seen durable by this process
  std::uint64_t size_ = 0;
  std::uint64_t recovered_ = 0;
  bool poisoned_ = false;
};

}  // namespace impound::evidence
