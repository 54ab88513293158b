// The log's signing key: Ed25519 in a PKCS#8 PEM file that openssl reads, encrypted when there is a passphrase (PBES2:
// scrypt, AES-256-CBC). Who has it can write new history; he cannot change what an older checkpoint, a witness or a
// timestamp holds fast. The private half lies in secret memory. Immutable after making, any thread may sign.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "evidence/formats/signed_note.h"
#include "evidence/system/disk.h"
#include "evidence/system/randomness.h"
#include "evidence/system/secret_memory.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// Whose a file with a secret must be, and who may read it.
struct SecretFileRule {
  std::optional<std::uint32_t> owner{};  // uid; nothing: anybody's
  /// systemd hands credentials over as 0400 or 0440 under an ACL of the service alone: there the group may read.
  bool credential = false;
};

/// Code::refused when the file is no regular one, is another user's, or others than its owner may read or change it.
Result<void> check_secret_file(Disk& folder, std::string_view path, SecretFileRule const& rule, char const* what);

class SigningKey {
 public:
  /// A new key, in memory only.
  static SigningKey make(Randomness& randomness);
  /// Reads `path`. Code::refused: a file that check_secret_file() refuses, no Ed25519 key, or the wrong passphrase.
  /// Code::usage: the key is encrypted and `passphrase` is null.
  static Result<SigningKey> load(Disk& folder, std::string_view path, SecretFileRule const& rule = {},
                                 SecretText const* passphrase = nullptr);
  /// From the 32 bytes of RFC 8032's private key.
  static SigningKey from_seed(Bytes seed);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  /// Writes it to a new file `path` of `folder`, mode 0600, durable on return; encrypted when there is a `passphrase`.
  /// A file that is there is never replaced: Code::exists.
  Result<void> write_new(Disk& folder, std::string_view path, Randomness& randomness,
                         SecretText const* passphrase = nullptr) const;

  NoteKey public_key(std::string_view name) const;
  std::string vkey(std::string_view origin) const { return public_key(origin).vkey(); }
  Ed25519Signature sign(Bytes message) const;  // deterministic: the same message has the same signature
  /// `text` (ending in a newline) as a whole signed note under `name`.
  std::string sign_note(std::string_view name, std::string_view text) const;

 private:
  struct Key;
  explicit SigningKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

}  // namespace impound::evidence
