// A session's log: with which keys it is opened, whether it is the one that was signed here last, and on whose word it
// goes on all the same. See session.h.
#include <spdlog/spdlog.h>

#include "agent/work/places.h"
#include "agent/work/session.h"
#include "evidence/last_checkpoint.h"

namespace impound::agent {

using evidence::EntryDraft;

Result<void> Session::load_keys(Settings const& settings, std::string const& passphrase_file) {
  std::string const named = named_key_file(settings);
  key_place_ = key_place(named.empty() ? default_key_file(vault_->identity()) : named);
  FilePlace const place = file_place(key_place_.file);
  IMPOUND_TRY(folder, LinuxDisk::open_at(place.folder));
  key_folder_ = std::move(folder);
  keys_.emplace(*key_folder_, place.name, key_place_.rule);
  IMPOUND_TRY(known, passphrases(settings, passphrase_file));
  if (auto const loaded = keys_->load(known); !loaded)
    return Error{loaded.error().code, loaded.error().what, key_place_.file, loaded.error().hint};
  if (!known.empty() && !keys_->encrypted())
    spdlog::warn("a passphrase is named, and the key's file is not encrypted: `impound key rotate` makes one that is");
  if (!secret_memory_locked())
    spdlog::warn("the key lies in memory that may be swapped out: mlock was refused (RLIMIT_MEMLOCK)");
  return ok();
}

Result<void> Session::open_copies(Settings const& settings) {
  std::string const own = real_path(vault_->path()).value_or(vault_->path()) + "/";
  std::vector<evidence::CheckpointCopies::Place> places;
  for (std::string const& path : settings.last_checkpoint_copies) {
    FilePlace const place = file_place(path);
    if ((real_path(place.folder).value_or(place.folder) + "/").starts_with(own))
      return Error{Code::usage, "a copy of the last checkpoint would lie in the vault itself", path,
                   "Name a place that is not put back together with the vault"};
    places.push_back({path, place.name, [folder = place.folder]() -> Result<std::unique_ptr<Disk>> {
                        IMPOUND_TRY(disk, LinuxDisk::open_at(folder));
                        return std::unique_ptr<Disk>(std::move(disk));
                      }});
  }
  copies_ = std::make_unique<evidence::CheckpointCopies>(std::move(places),
                                                         [](std::string const& told) { spdlog::warn("{}", told); });
  return ok();
}

/// The log under the newest of its keys; what a rotation that was cut short has left of key files is settled.
/// The log as it stands, or, when that is refused and an operator takes the responsibility, as it was put back: what is
/// given up by that is kept first.
Result<std::unique_ptr<evidence::CustodyLog>> Session::open_accepting(evidence::LogKeys const& keys,
                                                                      std::string const& accept_rollback) {
  auto const open = [&](evidence::Rollback rollback) {
    return evidence::CustodyLog::open(disk(), *state_, keys, vault_->identity().origin, rollback, copies_.get());
  };
  IMPOUND_TRY(before, evidence::last_checkpoint_bytes(*state_));
  IMPOUND_TRY(earlier, read_accepted(*state_));
  auto log = open(evidence::Rollback::refuse);
  // An earlier start that kept it and did not come to give anything up.
  bool const undone = earlier && !earlier->given_up.empty() && before == earlier->given_up.front().note;
  if (log && undone) {
    IMPOUND_CHECK(forget_accepted(*state_));
    earlier.reset();
  }
  rollback_ = std::move(earlier);
  bool const refused = !log && (log.error().code == Code::rolled_back || log.error().code == Code::damaged);
  if (accept_rollback.empty() || !refused) {
    if (log && !accept_rollback.empty() && !rollback_)
      remarks_.push_back("nothing was rolled back, so nothing is accepted: --accept-rollback is not needed");
    return log;
  }
  IMPOUND_TRY(accepted, what_is_given_up(*state_, copies_.get(), accept_rollback));
  if (rollback_)
    accepted.given_up.insert(accepted.given_up.end(), rollback_->given_up.begin(), rollback_->given_up.end());
  IMPOUND_CHECK(keep_accepted(*state_, accepted));
  // Beyond this line the memory may be overwritten.
  auto accepting = open(evidence::Rollback::accept);
  if (accepting) rollback_ = std::move(accepted);
  return accepting;
}

Result<std::unique_ptr<evidence::CustodyLog>> Session::open_log(std::string const& accept_rollback) {
  IMPOUND_TRY(first, NoteKey::from_vkey(vault_->identity().vkey));
  evidence::LogKeys const keys{&keys_->current(), keys_->next(), std::move(first)};
  auto log = open_accepting(keys, accept_rollback);
  if (!log && log.error().code == Code::usage) {
    // Not the log's key: perhaps the one that is could not be read.
    if (auto const& trouble = keys_->next_trouble())
      return Error{trouble->code, "a rotation of the key was cut short: " + trouble->what, key_place_.file + ".next",
                   "With the new key's passphrase, this finishes it: impound key rotate --passphrase-file FILE"};
    return Error{Code::usage, log.error().what, key_place_.file, log.error().hint};
  }
  if (!log) return std::move(log).error();
  vkey_ = log.value()->keys().newest().vkey();
  IMPOUND_TRY(settled, keys_->settle(log.value()->keys().newest()));
  rotation_finished_ = settled == evidence::KeyFiles::Settled::put_in_place;
  if (rotation_finished_) remarks_.push_back("a rotation of the key that was cut short was finished: " + vkey_);
  if (settled == evidence::KeyFiles::Settled::removed)
    spdlog::warn("a key that the log does not name was removed: {}.next", key_place_.file);
  return log;
}

Result<std::string> Session::rotate_key(SecretText const* passphrase, std::string const& reason,
                                        evidence::By const& by) {
  if (key_place_.rule.credential)
    return Error{Code::usage, "a key that is a systemd credential cannot be rotated from here", key_place_.file,
                 "Name a file that can be written with [vault] key"};
  IMPOUND_CHECK(keys_->write_next(evidence::SigningKey::make(randomness_), randomness_, passphrase));
  NoteKey const next = keys_->next()->public_key(vault_->identity().origin);
  IMPOUND_CHECK(recorder_->rotate(*keys_->next(), reason, by));
  vkey_ = next.vkey();
  IMPOUND_TRY(note, read_whole(disk(), evidence::log_checkpoint_path, note_bytes_max));
  IMPOUND_CHECK(keys_->settle(next));
  return note;
}

/// Under a signature before the record of it goes.
Result<void> Session::tell_of_rollback(evidence::By const& by) {
  if (!rollback_) return ok();
  IMPOUND_CHECK(
      recorder_->record(EntryDraft{"rollback.accepted", rollback_body(*rollback_, past_entries_), {}, {}, {}, by, {}}));
  IMPOUND_CHECK(recorder_->publish());
  return forget_accepted(*state_);
}

}  // namespace impound::agent
