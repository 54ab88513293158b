// A checkpoint (C2SP tlog-checkpoint): origin, size and root of the log, three lines under a signed note.
// Pure functions, any thread; bytes of strangers get an Error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "evidence/formats/signed_note.h"
#include "evidence/signing_key.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Sha256 root;
  bool operator==(Checkpoint const&) const = default;
};

/// "<origin>\n<size>\n<base64(root)>\n"
std::string checkpoint_text(Checkpoint const& checkpoint);
Result<Checkpoint> checkpoint_from_text(std::string_view text);

/// The whole signed note, under the origin as the key's name.
std::string sign_checkpoint(Checkpoint const& checkpoint, SigningKey const& key);
/// Parses and verifies a note: signed by `key`, and of the origin that is the key's name.
Result<Checkpoint> read_checkpoint(std::string_view note, NoteKey const& key);
/// The same, by one of several keys of one log at least; none of theirs may fail. Which of them had to sign is not
/// asked here (key_rotation.h does).
Result<Checkpoint> read_checkpoint(std::string_view note, std::span<NoteKey const> known);

}  // namespace impound::evidence
