#include "evidence/formats/signed_note.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "evidence/formats/base64.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound {

namespace {

constexpr std::string_view em_dash = "\xE2\x80\x94 ";
constexpr std::byte type_ed25519{0x01};

Error bad_note(std::string what) { return Error{Code::malformed, "not a signed note: " + std::move(what), {}, {}}; }
Error bad_key(std::string what) {
  return Error{
      Code::malformed, "not a verifier key: " + std::move(what), {}, "A vkey reads <name>+<8 hex digits>+<base64>."};
}

/// Unicode's White_Space (PropList), as the specification and Go's unicode.IsSpace have it.
bool has_space(std::string_view text) {
  static constexpr std::string_view spaces[] = {
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
      "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
      "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  return std::any_of(std::begin(spaces), std::end(spaces),
                     [&](std::string_view space) { return text.find(space) != std::string_view::npos; });
}

Result<NoteSignature> signature_from(std::string_view line) {
  if (!line.starts_with(em_dash)) return bad_note("a signature line does not begin with an em dash");
  line.remove_prefix(em_dash.size());
  auto const space = line.find(' ');
  if (space == std::string_view::npos) return bad_note("a signature line has no signature");
  NoteSignature signature;
  signature.name = std::string(line.substr(0, space));
  if (!note_name_allowed(signature.name)) return bad_note("a signature's name is not allowed");
  auto bytes = from_base64(line.substr(space + 1));
  if (!bytes || bytes->size() < 5) return bad_note("a signature is not base64");
  std::copy_n(bytes->begin(), 4, signature.key_id.begin());
  signature.bytes.assign(bytes->begin() + 4, bytes->end());
  return signature;
}

}  // namespace

bool note_name_allowed(std::string_view name) {
  if (name.empty() || name.size() > 255 || !is_utf8(name) || has_space(name)) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    auto const u = static_cast<unsigned char>(c);
    return u <= 0x20 || u == 0x7f || c == '+';
  });
}

std::array<std::byte, 4> NoteKey::id() const {
  Sha256Stream hash;
  hash.add(bytes_of(name));
  hash.add(bytes_of("\n"));
  hash.add(Bytes{&type_ed25519, 1});
  hash.add(key.bytes);
  Sha256 const digest = hash.finish();
  std::array<std::byte, 4> id{};
  std::copy_n(digest.bytes.begin(), id.size(), id.begin());
  return id;
}

std::string NoteKey::vkey() const {
  std::vector<std::byte> typed{type_ed25519};
  typed.insert(typed.end(), key.bytes.begin(), key.bytes.end());
  return name + "+" + hex(id()) + "+" + base64(typed);
}

Result<NoteKey> NoteKey::from_vkey(std::string_view vkey) {
  auto const first = vkey.find('+');
  auto const second = first == std::string_view::npos ? first : vkey.find('+', first + 1);
  if (second == std::string_view::npos) return bad_key("it has not three parts");
  NoteKey key;
  key.name = std::string(vkey.substr(0, first));
  if (!note_name_allowed(key.name)) return bad_key("its name is not allowed");
  auto const bytes = from_base64(vkey.substr(second + 1));
  if (!bytes || bytes->empty()) return bad_key("its last part is not base64");
  if (bytes->front() != type_ed25519) return bad_key("only Ed25519 keys (type 01) are supported");
  if (bytes->size() != 33) return bad_key("an Ed25519 key has 32 bytes");
  std::copy(bytes->begin() + 1, bytes->end(), key.key.bytes.begin());
  if (vkey.substr(first + 1, second - first - 1) != hex(key.id()))
    return bad_key("its id does not fit its name and key");
  return key;
}

Result<SignedNote> parse_note(std::string_view bytes) {
  if (bytes.size() > note_bytes_max) return bad_note("larger than " + std::to_string(note_bytes_max) + " bytes");
  if (!is_utf8(bytes)) return bad_note("not UTF-8");
  for (char const c : bytes)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) return bad_note("a control character");
  // The text may hold blank lines itself: the last one divides.
  auto const blank = bytes.rfind("\n\n");
  if (blank == std::string_view::npos) return bad_note("no blank line");
  SignedNote note;
  note.text = std::string(bytes.substr(0, blank + 1));
  std::string_view lines = bytes.substr(blank + 2);
  if (lines.empty() || lines.back() != '\n') return bad_note("no signature, or the last line has no end");
  while (!lines.empty()) {
    if (note.signatures.size() == note_signatures_max) return bad_note("too many signatures");
    auto const end = lines.find('\n');
    IMPOUND_TRY(signature, signature_from(lines.substr(0, end)));
    note.signatures.push_back(std::move(signature));
    lines.remove_prefix(end + 1);
  }
  return note;
}

Result<std::size_t> verify_note(SignedNote const& note, std::span<NoteKey const> known) {
  std::vector<bool> seen(known.size());
  std::size_t verified = 0;
  for (NoteSignature const& signature : note.signatures) {
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (known[i].name != signature.name || known[i].id() != signature.key_id) continue;
      if (!ed25519_holds(known[i].key, bytes_of(note.text), signature.bytes))
        return Error{Code::refused, "the signature of " + signature.name + " does not verify", {}, {}};
      if (!seen[i]) ++verified;  // a line written twice is one signature
      seen[i] = true;
      break;
    }
  }
  if (verified == 0) return Error{Code::refused, "the note is not signed by a known key", {}, {}};
  return verified;
}

std::string signature_line(NoteKey const& key, Ed25519Signature const& signature) {
  auto const id = key.id();
  std::vector<std::byte> bytes(id.begin(), id.end());
  bytes.insert(bytes.end(), signature.bytes.begin(), signature.bytes.end());
  return std::string(em_dash) + key.name + " " + base64(bytes) + "\n";
}

bool ed25519_holds(Ed25519PublicKey const& key, Bytes message, Bytes signature) {
  if (signature.size() != Ed25519Signature::size) return false;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const public_key{
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<unsigned char const*>(key.bytes.data()),
                                  key.bytes.size()),
      EVP_PKEY_free};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  if (!public_key || !context) return false;
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<unsigned char const*>(signature.data()), signature.size(),
                          reinterpret_cast<unsigned char const*>(message.data()), message.size()) == 1;
}

}  // namespace impound
