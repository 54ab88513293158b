// Signed notes (C2SP signed-note v1.0.0), Ed25519 only: a text and, behind the last blank line, a line for each
// signature.
//
//     text …\n                                         what is signed, with its last newline
//     \n                                               not signed
//     — <name> <base64(key id[4] || signature)>\n      EM DASH, one space
//
// A line of an unknown key is ignored; a line of a known key (same name and id) that does not verify rejects the note.
// Bytes of strangers get an Error, never an assertion. Pure functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound {

inline constexpr std::size_t note_bytes_max = 1'000'000;
inline constexpr std::size_t note_signatures_max = 100;

using Ed25519PublicKey = Digest<struct Ed25519PublicKeyTag, 32>;
using Ed25519Signature = Digest<struct Ed25519SignatureTag, 64>;

/// A public key with its name: what a vkey says.
struct NoteKey {
  std::string name;
  Ed25519PublicKey key;
  std::array<std::byte, 4> id() const;  // SHA-256(name || 0x0A || 0x01 || key)[:4]
  std::string vkey() const;             // <name>+<hex(id)>+<base64(0x01 || key)>
  static Result<NoteKey> from_vkey(std::string_view vkey);
};

struct NoteSignature {
  std::string name;
  std::array<std::byte, 4> key_id{};
  std::vector<std::byte> bytes;
};

struct SignedNote {
  std::string text;  // ends in a newline
  std::vector<NoteSignature> signatures;
};

/// Not empty, valid UTF-8 without white space, control characters or '+'.
bool note_name_allowed(std::string_view name);

Result<SignedNote> parse_note(std::string_view bytes);

/// How many signatures of known keys hold; none is Code::refused, one that fails is Code::refused, too.
Result<std::size_t> verify_note(SignedNote const& note, std::span<NoteKey const> known);

/// "— <name> <base64>\n"
std::string signature_line(NoteKey const& key, Ed25519Signature const& signature);

bool ed25519_holds(Ed25519PublicKey const& key, Bytes message, Bytes signature);

}  // namespace impound
