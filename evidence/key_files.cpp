#include "evidence/key_files.h"

#include <string_view>
#include <utility>
#include <vector>

#include "evidence/system/secret_memory.h"

namespace impound::evidence {

Result<SigningKey> KeyFiles::read(std::string const& name, std::span<SecretText const> passphrases) {
  auto key = SigningKey::load(folder_, name, rule_, passphrases.empty() ? nullptr : &passphrases.front());
  for (std::size_t i = 1; i < passphrases.size() && !key && key.error().code == Code::refused; ++i)
    if (auto other = SigningKey::load(folder_, name, rule_, &passphrases[i])) key = std::move(other);
  return key;
}

Result<void> KeyFiles::load(std::span<SecretText const> passphrases) {
  std::string const counts = overwritten() ? next_name() : name_;
  IMPOUND_TRY(key, read(counts, passphrases));
  current_.emplace(std::move(key));
  auto const unaided = SigningKey::load(folder_, counts, rule_);
  encrypted_ = !unaided && unaided.error().code == Code::usage;
  auto next = read(next_name(), passphrases);
  if (next)
    next_.emplace(std::move(next).value());
  else if (next.error().code != Code::not_found)
    trouble_ = std::move(next).error();
  return ok();
}

/// A rotation that was cut between the old key's end and the new one's name. A PEM file has no zero in it.
bool KeyFiles::overwritten() const {
  constexpr std::size_t bytes_max = 64 * 1024;
  auto const key = read_secret(folder_, name_, bytes_max);
  return key && key.value().text().find('\0') != std::string_view::npos && folder_.facts_of(next_name());
}

Result<void> KeyFiles::write_next(SigningKey key, Randomness& randomness, SecretText const* passphrase) {
  auto written = key.write_new(folder_, next_name(), randomness, passphrase);
  if (!written) {
    // Nothing names it yet; what cannot be taken away now, the next start takes away.
    if (written.error().code != Code::exists) (void)folder_.remove(next_name());
    return std::move(written).error();
  }
  next_.emplace(std::move(key));
  return ok();
}

Result<KeyFiles::Settled> KeyFiles::settle(NoteKey const& newest) {
  auto const facts = folder_.facts_of(next_name());
  if (!facts && facts.error().code == Code::not_found) return Settled::nothing_to_do;
  if (!facts) return facts.error();
  if (next_ && same_key(next_->public_key(newest.name), newest)) {
    IMPOUND_CHECK(replace_key());
    return Settled::put_in_place;
  }
  if (!same_key(current_->public_key(newest.name), newest))
    return Error{Code::usage, "neither key is the log's newest", name_, "Name its file with [vault] key."};
  IMPOUND_CHECK(folder_.remove(next_name()));
  IMPOUND_CHECK(folder_.sync_folder(folder_of(next_name())));
  return Settled::removed;
}

Result<void> KeyFiles::replace_key() {
  IMPOUND_TRY(old_key, DiskFile::open(folder_, name_, Open::write));
  IMPOUND_TRY(facts, old_key.facts());
  std::vector<std::byte> const zeros(facts.size);
  IMPOUND_CHECK(old_key.write(0, zeros));
  IMPOUND_CHECK(old_key.sync());
  IMPOUND_CHECK(folder_.rename(next_name(), name_, Replace::yes));
  return folder_.sync_folder(folder_of(name_));
}

}  // namespace impound::evidence
