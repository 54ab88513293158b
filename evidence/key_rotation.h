// The log's key changes hands: one key.rotated entry, signed by the key that goes and the key that comes.
//
//     body: {"new_vkey","old_vkey","reason"?,"root","signature_new","signature_old","size"}
//     signed, by each of the two (Ed25519, base64 in the entry):
//         impound key rotation v1\n
//         <old vkey>\n
//         <new vkey>\n
//         <size>\n              of the log before the entry, which is the entry's index
//         <base64(root)>\n      of the log before the entry
//
// Size and root nail it to one place of one history: a copy of the entry holds nowhere else, and the key id in each
// vkey covers the log's name. The keys of a log are a chain from the one in vault.toml; which of them must have signed
// a checkpoint follows from the checkpoint's size alone. Pure functions and plain values; bytes of strangers get an
// Error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/checkpoint.h"
#include "evidence/custody_entry.h"
#include "evidence/formats/signed_note.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/signing_key.h"
#include "evidence/values/result.h"

namespace impound::evidence {

inline constexpr std::size_t rotation_reason_bytes_max = 500;
inline constexpr std::size_t rotations_max = 10'000;  // of one log

struct KeyRotation {
  std::uint64_t index = 0;  // of its entry
  NoteKey old_key;
  NoteKey new_key;
  std::uint64_t size = 0;  // what was signed: the log before the entry
  Sha256 root;
  Ed25519Signature signature_old;
  Ed25519Signature signature_new;
};

std::string rotation_text(NoteKey const& old_key, NoteKey const& new_key, std::uint64_t size, Sha256 const& root);

/// The body of key.rotated for the entry that follows `before`. `reason` may be empty.
Json rotation_body(SigningKey const& old_key, SigningKey const& new_key, Checkpoint const& before,
                   std::string const& reason);

/// A cheap look at an entry's bytes: false for all that are no key.rotated, true for nearly none of them.
bool may_be_rotation(std::string_view entry);

/// Code::malformed when the entry is not a key.rotated of this form, or names one key twice or another log.
Result<KeyRotation> read_rotation(ReadEntry const& entry);

/// Both signatures hold; Code::refused otherwise.
Result<void> rotation_signed(KeyRotation const& rotation);

/// The keys of one log, oldest first, and since when each of them signs.
class KeyChain {
 public:
  struct Link {
    NoteKey key;
    std::uint64_t from = 0;  // signs checkpoints that are larger than this: the index of its key.rotated entry
  };

  explicit KeyChain(NoteKey first) { links_.push_back({std::move(first), 0}); }

  /// Adds the entry's key when it is a rotation from the newest key that both have signed, at its own place; otherwise
  /// nothing happens, and false is returned. What the root was is the caller's to check.
  bool take(std::uint64_t index, std::string_view entry);
  /// The same for one that was read and found signed.
  bool add(KeyRotation const& rotation);

  std::vector<Link> const& links() const { return links_; }
  NoteKey const& newest() const { return links_.back().key; }
  /// Which key must have signed a checkpoint of `size`.
  Link const& link_at(std::uint64_t size) const;
  /// True when `key` is one of them.
  bool has(NoteKey const& key) const;
  std::vector<NoteKey> keys() const;

 private:
  std::vector<Link> links_;
};

bool same_key(NoteKey const& a, NoteKey const& b);

/// Parses a note and verifies it by `chain`: signed by the key of its size; a line of any key of the chain that does
/// not verify rejects it. Code::malformed, Code::refused.
Result<Checkpoint> read_checkpoint(std::string_view note, KeyChain const& chain);

/// True when a note carries a line under `key`'s name that is not `key`'s: the log may have been rotated.
bool signed_by_others(std::string_view note, NoteKey const& key);

/// Adds every rotation among the first `size` entries to `chain`. `read` gives a bundle of exactly the width named, or
/// Code::not_found; a bundle that is not there is passed over, what it named then is not known.
///
/// Gap: it reads all entries, as a start does anyway. A list of rotations in STATE would make it a look at a few
/// tiles.
Result<void> follow_rotations(KeyChain& chain, std::uint64_t size,
                              std::function<Result<std::string>(TileName const&)> const& read);

}  // namespace impound::evidence
