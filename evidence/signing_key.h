// The log's signing key: Ed25519 in a PKCS#8 PEM file that openssl reads. Who has it can write new history; he cannot
// change what an older checkpoint, a witness or a timestamp holds fast. Immutable after making, any thread may sign.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "evidence/formats/signed_note.h"
#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

class SigningKey {
 public:
  /// A new key in a new file `path` of `folder`, mode 0600, durable on return. A file that is there is never replaced.
  static Result<SigningKey> generate(Disk& folder, std::string_view path);
  /// Code::refused when others than owner and group may read the file, or it is no unencrypted Ed25519 key.
  static Result<SigningKey> load(Disk& folder, std::string_view path);
  /// From the 32 bytes of RFC 8032's private key; for tests and vectors.
  static SigningKey from_seed(Bytes seed);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

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
