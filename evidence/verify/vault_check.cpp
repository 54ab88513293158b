#include "evidence/verify/vault_check.h"

#include <optional>
#include <set>
#include <utility>

#include "evidence/checkpoint.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/signed_note.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/vault.h"
#include "evidence/verify/log_check.h"
#include "evidence/verify/object_check.h"
#include "evidence/verify/timestamp_check.h"
#include "evidence/verify/unnamed_files.h"

namespace impound::evidence {

namespace {

constexpr std::string_view start_once = "; start the agent once, it logs it or sets it aside";

/// A checkpoint and where it was found.
struct Held {
  Checkpoint checkpoint;
  std::string bytes;
};

/// A note whose signature is judged once the log's keys are known.
struct Unjudged {
  std::string bytes;
  std::string where;
  std::string name;  // in sentences
};

/// One that somebody kept, to hold the log against.
struct Kept {
  Checkpoint checkpoint;
  std::string where;
  std::string name;  // in sentences
};

class Verification {
 public:
  Verification(Disk& vault, VerifyOptions const& options)
      : vault_(vault), options_(options), log_(vault, verdict_, options.cancelled) {}

  Verdict run() {
    read_identity();
    read_key();
    read_kept();
    PartialTiles partial;
    auto const newest = newest_checkpoint(partial);
    if (!newest) {
      judge_signatures();
      verdict_.not_checked.push_back("everything but vault.toml: there is no checkpoint");
      return std::move(verdict_);
    }
    verdict_.checkpoint_size = newest->checkpoint.size;
    verdict_.checkpoint_root = as_node(newest->checkpoint.root);
    for (Kept const& kept : kept_) log_.want_root_at(kept.checkpoint.size);
    check_log(*newest, partial);
    if (cancelled()) return interrupted();
    judge_keys();
    judge_signatures();
    check_identity();
    if (!options_.log_only) {
      check_objects(vault_, named(), options_, verdict_);
      check_records(vault_, named(), options_, verdict_);
      if (cancelled()) return interrupted();
    } else {
      verdict_.not_checked.insert(verdict_.not_checked.end(), {"objects", "warc", "timestamps"});
    }
    if (walked_) check_timestamps(vault_, log_, options_, verdict_);
    if (cancelled()) return interrupted();
    look_for_unnamed();
    if (cancelled()) return interrupted();
    check_kept();
    look_at_journals();
    log_.tell_of_entries(options_.held_by_writer);
    if (cancelled()) return interrupted();
    return std::move(verdict_);
  }

 private:
  Named& named() { return log_.entries().named(); }

  /// What was found so far may be the interruption's own work.
  static Verdict interrupted() {
    Verdict nothing;
    nothing.interrupted = true;
    nothing.not_checked.emplace_back("everything: it was interrupted");
    return nothing;
  }

  bool cancelled() {
    if (options_.cancelled && options_.cancelled()) verdict_.interrupted = true;
    return verdict_.interrupted;
  }

  void read_identity() {
    auto toml = read_whole(vault_, "vault.toml", 4 * 1024);
    if (!toml) {
      bool const gone = toml.error().code == Code::not_found;
      verdict_.add(gone ? What::missing : What::malformed, "vault.toml", line(toml.error()));
      return;
    }
    toml_ = std::move(toml).value();
    auto identity = VaultIdentity::parse(*toml_);
    if (identity)
      identity_ = std::move(identity).value();
    else
      verdict_.add(What::malformed, "vault.toml", line(identity.error()));
  }

  void read_key() {
    if (options_.vkey) {
      auto key = NoteKey::from_vkey(*options_.vkey);
      if (key)
        key_ = std::move(key).value();
      else
        verdict_.add(What::untrusted, "vault.toml", "the key that was given is no verifier key: " + line(key.error()));
      return;
    }
    if (!identity_) return;
    verdict_.notes.push_back("The vault's own key was trusted: " + identity_->vkey +
                             " (--vkey names one you have from elsewhere)");
    auto key = NoteKey::from_vkey(identity_->vkey);
    if (key)
      key_ = std::move(key).value();
    else
      verdict_.add(What::malformed, "vault.toml", "its vkey is none: " + line(key.error()));
    if (key_ && key_->name != identity_->origin)
      verdict_.add(What::malformed, "vault.toml", "its origin and the name of its key differ");
  }

  /// Now that the log was walked: whether the trusted key and the one in vault.toml are keys of this log.
  void judge_keys() {
    auto const first = log_.keys().first();
    auto const own = identity_ ? NoteKey::from_vkey(identity_->vkey) : Result<NoteKey>(Error{});
    if (first && own && !same_key(first->key, own.value()))
      verdict_.add(What::untrusted, "entry " + std::to_string(first->from),
                   "it hands over from a key that is not the one in vault.toml: " + first->key.vkey());
    if (key_ && log_.keys().has(*key_)) {
      char const* const name = options_.vkey ? "The key that was given" : "The key in vault.toml";
      std::string told = told_of_rotations(log_.keys().chain_from(*key_), *key_, name);
      if (!told.empty()) verdict_.notes.push_back(std::move(told));
    } else if (options_.vkey && identity_ && identity_->vkey != *options_.vkey) {
      verdict_.add(What::altered, "vault.toml",
                   "it names the key " + identity_->vkey + ", given was " + *options_.vkey);
    }
  }

  void judge_signatures() {
    for (Unjudged const& note : std::exchange(unjudged_, {})) {
      if (!key_) {
        verdict_.add(What::unsigned_, note.where, note.name + " could not be checked: no key is known");
        continue;
      }
      auto checkpoint = read_checkpoint(note.bytes, log_.keys().chain_from(*key_));
      if (!checkpoint)
        verdict_.add(What::unsigned_, note.where,
                     note.name + " is not signed by the log's key: " + line(checkpoint.error()));
    }
  }

  /// Reads a note; its signature is judged later. When that does not hold, what it says is still worth comparing.
  std::optional<Held> read_note(std::string bytes, std::string const& where, std::string const& name) {
    unjudged_.push_back({bytes, where, name});
    auto note = parse_note(bytes);
    if (!note) return std::nullopt;
    auto checkpoint = checkpoint_from_text(note.value().text);
    if (!checkpoint) return std::nullopt;
    return Held{std::move(checkpoint).value(), std::move(bytes)};
  }

  void keep(std::string bytes, std::string const& where, std::string const& name) {
    if (auto held = read_note(std::move(bytes), where, name)) kept_.push_back({held->checkpoint, where, name});
  }

  /// STATE's first: it is written before log/checkpoint, so read in this order it is never ahead of a vault at rest.
  void read_kept() {
    if (options_.state != nullptr) {
      auto last = read_whole(*options_.state, "last-checkpoint", note_bytes_max);
      if (last)
        keep(std::move(last).value(), "log/checkpoint", "the last-checkpoint of STATE");
      else if (last.error().code == Code::not_found)
        verdict_.notes.push_back("STATE has no last-checkpoint to compare with");
      else
        verdict_.add(What::malformed, "log/checkpoint",
                     "the last-checkpoint of STATE cannot be read: " + line(last.error()));
    }
    for (std::string const& note : options_.old_checkpoints)
      keep(note, "log/checkpoint", "the old checkpoint that was given");
    for (std::uint64_t const size : kept_checkpoints(vault_)) {
      std::string const path = "log/checkpoints/" + std::to_string(size);
      auto bytes = read_whole(vault_, path, note_bytes_max);
      if (!bytes) {
        verdict_.add(What::malformed, path, line(bytes.error()));
        continue;
      }
      auto held = read_note(std::move(bytes).value(), path, "it");
      if (held && held->checkpoint.size != size)
        verdict_.add(What::malformed, path, "it is of another size than its name says");
      else if (held)
        kept_.push_back({held->checkpoint, path, "it"});
      else
        verdict_.add(What::malformed, path, "not a checkpoint");
    }
  }

  /// The newest checkpoint with its partial tiles, all opened before a newer one can remove them.
  std::optional<Held> newest_checkpoint(PartialTiles& partial) {
    constexpr int tries_max = 100;
    std::string before;
    for (int tries = 0; tries < tries_max; ++tries) {
      auto bytes = read_whole(vault_, "log/checkpoint", note_bytes_max);
      if (!bytes) {
        bool const gone = bytes.error().code == Code::not_found;
        verdict_.add(gone ? What::missing : What::malformed, "log/checkpoint", line(bytes.error()));
        return std::nullopt;
      }
      auto note = parse_note(bytes.value());
      auto said = note ? checkpoint_from_text(note.value().text) : Result<Checkpoint>(note.error());
      if (!said) {
        verdict_.add(What::malformed, "log/checkpoint", line(said.error()));
        return std::nullopt;
      }
      bool const complete = read_partial(said.value().size, partial);
      if (complete || bytes.value() == before || tries + 1 == tries_max)
        return read_note(std::move(bytes).value(), "log/checkpoint", "it");
      before = std::move(bytes).value();
    }
    return std::nullopt;
  }

  bool read_partial(std::uint64_t size, PartialTiles& partial) {
    partial.clear();
    bool complete = true;
    for (TileName const& tile : partial_tiles(size)) {
      std::string const path = "log/" + tile_path(tile);
      auto bytes = read_whole(vault_, path, tile.entries ? bundle_bytes_max : tile_bytes);
      if (bytes)
        partial[path] = std::move(bytes).value();
      else
        complete = false;
    }
    return complete;
  }

  void check_log(Held const& newest, PartialTiles const& partial) {
    bool const whole = log_.walk_to(newest.checkpoint.size, partial);
    if (verdict_.interrupted) return;
    if (!whole)
      verdict_.add(What::missing, "log/tile",
                   "the log ends long before the checkpoint's " + std::to_string(newest.checkpoint.size) + " entries");
    else
      log_.judge(newest.checkpoint.root, "log/checkpoint");
    walked_ = whole;
    named().settle();
    verdict_.entries = log_.size();
    verdict_.exhibits = named().exhibits;
    verdict_.captures = named().captures;
    verdict_.objects_named = named().named_objects();
    verdict_.records_named = named().named_records();
  }

  void check_identity() {
    if (!toml_ || !named().vault_toml) return;
    if (sha256_of(*toml_) != *named().vault_toml)
      verdict_.add(What::altered, "vault.toml", "its bytes are not those that entry 0 names");
  }

  static Sha256 sha256_of(std::string const& toml) {
    VaultIdentity identity;
    identity.toml = toml;
    return identity.digest();
  }

  void look_for_unnamed() {
    auto files = unnamed_files(vault_, named(), verdict_.checkpoint_size, options_.log_only, verdict_);
    if (options_.held_by_writer) return judge_by_newer(std::move(files));
    bool const crashed = named().session_open;
    for (UnnamedFile const& file : files) {
      bool const of_a_crash = crashed && file.of_a_crash;
      verdict_.add(of_a_crash ? What::unlogged : What::added, file.path,
                   file.detail + (of_a_crash ? std::string(start_once) : ""));
    }
  }

  /// Beside a writer: what the checkpoint did not name must be named by one that is newer. A few rounds, because a tile
  /// that a checkpoint has just made stale is removed a moment after it.
  void judge_by_newer(std::vector<UnnamedFile> files) {
    constexpr int rounds_max = 3;
    for (int round = 0; round < rounds_max && (!files.empty() || some_kept_is_ahead()); ++round) {
      if (!options_.wait_for_newer) break;
      options_.wait_for_newer();
      if (cancelled() || !go_on_to_newest()) break;
      std::erase_if(files,
                    [this](UnnamedFile const& file) { return !still_unnamed(vault_, file, named(), log_.size()); });
    }
    for (UnnamedFile const& file : files) {
      if (options_.wait_for_newer)
        verdict_.add(What::added, file.path, file.detail);
      else
        verdict_.not_checked.push_back(printable(file.path) + ": newer than the checkpoint");
    }
  }

  bool go_on_to_newest() {
    PartialTiles partial;
    auto const newer = newest_checkpoint(partial);
    if (!newer) return false;
    if (newer->checkpoint.size < log_.size()) {
      verdict_.add(What::rolled_back, "log/checkpoint", "it went back while it was verified");
      return false;
    }
    if (!walked_ || !log_.walk_to(newer->checkpoint.size, partial)) return false;
    log_.judge(newer->checkpoint.root, "log/checkpoint");
    judge_signatures();
    named().settle();
    return true;
  }

  bool some_kept_is_ahead() const {
    for (Kept const& kept : kept_)
      if (kept.checkpoint.size > log_.size()) return true;
    return false;
  }

  void check_kept() {
    for (Kept const& kept : kept_) {
      std::string const at = std::to_string(kept.checkpoint.size);
      if (kept.checkpoint.size > log_.size()) {
        if (options_.held_by_writer && !options_.wait_for_newer)
          verdict_.not_checked.push_back(kept.name + ": newer than the checkpoint");
        else if (crash_before_rename(kept))
          verdict_.add(What::unlogged, kept.where,
                       kept.name + " is ahead, at " + at + " entries, and they are here" + std::string(start_once));
        else
          verdict_.add(What::rolled_back, kept.where,
                       kept.name + " has " + at + " entries, the log has " + std::to_string(log_.size()));
        continue;
      }
      if (!walked_) continue;
      auto const root = log_.root_at(kept.checkpoint.size);
      if (!root || *root != kept.checkpoint.root)
        verdict_.add(What::forked, kept.where, kept.name + " has another root at " + at + " entries than this log");
    }
  }

  /// The order of publishing is tiles, last-checkpoint, log/checkpoint: a crash before the last leaves the one before
  /// ahead.
  bool crash_before_rename(Kept const& kept) {
    if (options_.held_by_writer || !walked_) return false;
    PartialTiles partial;
    if (!read_partial(kept.checkpoint.size, partial)) return false;
    Verdict scratch;
    LogCheck again(vault_, scratch, options_.cancelled);
    again.want_root_at(kept.checkpoint.size);
    if (!again.walk_to(kept.checkpoint.size, partial)) return false;
    again.judge(kept.checkpoint.root, kept.where);
    return again.root_at(kept.checkpoint.size) == kept.checkpoint.root;
  }

  void look_at_journals() {
    for (char const* name : {"journal.0", "journal.1", "reserve"}) {
      auto facts = vault_.facts_of(name);
      bool const journal = std::string_view(name) != "reserve";
      if (!facts) {
        if (journal && facts.error().code == Code::not_found)
          verdict_.add(What::missing, name, "a vault has both journals, also when they are empty");
        continue;
      }
      if (journal && !options_.held_by_writer && facts.value().size > 0)
        verdict_.add(
            What::unlogged, name,
            std::to_string(facts.value().size) + " bytes that are not yet under a signature" + std::string(start_once));
      else if (facts.value().size > 0 || options_.held_by_writer)
        verdict_.not_checked.emplace_back(name);
    }
  }

  Disk& vault_;
  VerifyOptions const& options_;
  Verdict verdict_;
  LogCheck log_;
  std::optional<std::string> toml_;
  std::optional<VaultIdentity> identity_;
  std::optional<NoteKey> key_;
  std::vector<Unjudged> unjudged_;
  std::vector<Kept> kept_;
  bool walked_ = false;
};

}  // namespace

Verdict verify_vault(Disk& vault, VerifyOptions const& options) { return Verification(vault, options).run(); }

}  // namespace impound::evidence
