// The files of the log's signing key, and how one takes another's place so that a crash at any step loses neither.
//
//     KEY         the key that signs, a PKCS#8 PEM file, 0600 (signing_key.h)
//     KEY.next    a rotation is under way: the key that shall sign
//
//     KEY.next written, synced, its folder synced → key.rotated durable in the log → checkpoint under both signatures
//       → the old key's bytes overwritten in KEY, synced → KEY.next renamed over KEY, folder synced
//
// In this order no cut leaves the old key's bytes in blocks that nothing names and nobody will overwrite any more.
// What counts is the log alone: when its newest key is that of KEY.next, settle() puts that in place; when it is that
// of KEY, nothing named KEY.next and it is removed. The retired key is destroyed, not kept: whoever takes this machine
// later can then sign nothing that the old vkey alone would accept. The price is that a vault put back to before the
// rotation cannot go on. Overwriting is as good as the file system is: one that copies on write, or a flash disk, may
// keep the bytes.
//
// The writer's thread only.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "evidence/key_rotation.h"
#include "evidence/signing_key.h"
#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

class KeyFiles {
 public:
  /// `folder` must outlive it; `name` is KEY's in it.
  KeyFiles(Disk& folder, std::string name, SecretFileRule rule)
      : folder_(folder), name_(std::move(name)), rule_(rule) {}

  /// Reads KEY, and KEY.next when it is there. Each of the passphrases is tried on each. A KEY.next that cannot be read
  /// is no error yet (a crash may have cut its writing): next_trouble() says why. A KEY that was overwritten already
  /// is stood in for by KEY.next.
  Result<void> load(std::span<SecretText const> passphrases);

  /// Whether KEY's file is closed with a passphrase.
  bool encrypted() const { return encrypted_; }
  SigningKey const& current() const { return *current_; }
  SigningKey const* next() const { return next_ ? &*next_ : nullptr; }
  std::optional<Error> const& next_trouble() const { return trouble_; }

  /// Writes `key` to KEY.next, durable on return; it is next() from then on.
  Result<void> write_next(SigningKey key, Randomness& randomness, SecretText const* passphrase);

  enum class Settled { nothing_to_do, put_in_place, removed };
  /// The log is open and `newest` signs it: KEY.next is put in the place of KEY, or removed. Keys stay in memory as
  /// they are, so that whoever signs with one goes on.
  Result<Settled> settle(NoteKey const& newest);

 private:
  Result<SigningKey> read(std::string const& name, std::span<SecretText const> passphrases);
  bool overwritten() const;
  Result<void> replace_key();
  std::string next_name() const { return name_ + ".next"; }

  Disk& folder_;
  std::string name_;
  SecretFileRule rule_;
  bool encrypted_ = false;
  std::optional<SigningKey> current_;
  std::optional<SigningKey> next_;
  std::optional<Error> trouble_;
};

}  // namespace impound::evidence
