#include "evidence/key_rotation.h"

#include <algorithm>
#include <span>
#include <utility>

#include "evidence/formats/base64.h"
#include "evidence/formats/hex.h"

namespace impound::evidence {

namespace {

/// Then the size is a lie, or the log is gone.
constexpr unsigned gone_in_a_row_max = 100;

constexpr std::string_view first_line = "impound key rotation v1";

Error malformed(std::string what, std::uint64_t index) {
  return Error{
      Code::malformed, "not a rotation of the log's key: " + std::move(what), "entry " + std::to_string(index), {}};
}

template <class D>
bool fill(D& into, std::optional<std::string> const& text) {
  auto const bytes = text ? from_base64(*text) : std::nullopt;
  if (!bytes || bytes->size() != D::size) return false;
  std::copy(bytes->begin(), bytes->end(), into.bytes.begin());
  return true;
}

}  // namespace

std::string rotation_text(NoteKey const& old_key, NoteKey const& new_key, std::uint64_t size, Sha256 const& root) {
  return std::string(first_line) + "\n" + old_key.vkey() + "\n" + new_key.vkey() + "\n" + std::to_string(size) + "\n" +
         base64(root.bytes) + "\n";
}

Json rotation_body(SigningKey const& old_key, SigningKey const& new_key, Checkpoint const& before,
                   std::string const& reason) {
  NoteKey const from = old_key.public_key(before.origin);
  NoteKey const to = new_key.public_key(before.origin);
  std::string const text = rotation_text(from, to, before.size, before.root);
  Json body{{"new_vkey", to.vkey()},
            {"old_vkey", from.vkey()},
            {"root", base64(before.root.bytes)},
            {"signature_new", base64(new_key.sign(bytes_of(text)).bytes)},
            {"signature_old", base64(old_key.sign(bytes_of(text)).bytes)},
            {"size", json_number(before.size)}};
  if (!reason.empty()) body["reason"] = reason;
  return body;
}

bool may_be_rotation(std::string_view entry) {
  // Canonical JSON has one spelling; inside a text the quotes would be escaped.
  return entry.find(R"("kind":"key.rotated")") != std::string_view::npos;
}

Result<KeyRotation> read_rotation(ReadEntry const& entry) {
  if (entry.kind() != "key.rotated") return malformed("it is " + entry.kind(), entry.index);
  KeyRotation rotation;
  rotation.index = entry.index;
  for (auto const& [name, key] : {std::pair{"old_vkey", &rotation.old_key}, std::pair{"new_vkey", &rotation.new_key}}) {
    auto read = NoteKey::from_vkey(entry.text(name).value_or(""));
    if (!read) return malformed(std::string(name) + " is no verifier key", entry.index);
    *key = std::move(read).value();
  }
  if (rotation.old_key.name != rotation.new_key.name) return malformed("its keys are of two logs", entry.index);
  if (same_key(rotation.old_key, rotation.new_key)) return malformed("its keys are the same", entry.index);
  auto const size = entry.number("size");
  if (!size || !fill(rotation.root, entry.text("root"))) return malformed("size or root", entry.index);
  rotation.size = *size;
  if (!fill(rotation.signature_old, entry.text("signature_old")) ||
      !fill(rotation.signature_new, entry.text("signature_new")))
    return malformed("a signature", entry.index);
  return rotation;
}

Result<void> rotation_signed(KeyRotation const& rotation) {
  std::string const text = rotation_text(rotation.old_key, rotation.new_key, rotation.size, rotation.root);
  for (auto const& [key, signature, which] : {std::tuple{&rotation.old_key, &rotation.signature_old, "old"},
                                              std::tuple{&rotation.new_key, &rotation.signature_new, "new"}})
    if (!ed25519_holds(key->key, bytes_of(text), signature->bytes))
      return Error{Code::refused,
                   std::string("the rotation is not signed by the ") + which + " key",
                   "entry " + std::to_string(rotation.index),
                   {}};
  return ok();
}

bool same_key(NoteKey const& a, NoteKey const& b) { return a.name == b.name && a.key == b.key; }

bool KeyChain::take(std::uint64_t index, std::string_view entry) {
  if (!may_be_rotation(entry)) return false;
  auto const read = read_entry(index, entry);
  if (!read) return false;
  auto const rotation = read_rotation(read.value());
  return rotation && rotation_signed(rotation.value()) && add(rotation.value());
}

bool KeyChain::add(KeyRotation const& rotation) {
  if (rotation.size != rotation.index || rotation.index == 0 || links_.size() > rotations_max) return false;
  if (!same_key(rotation.old_key, newest()) || has(rotation.new_key)) return false;
  links_.push_back({rotation.new_key, rotation.index});
  return true;
}

KeyChain::Link const& KeyChain::link_at(std::uint64_t size) const {
  auto link = links_.end() - 1;
  while (link != links_.begin() && link->from >= size) --link;
  return *link;
}

bool KeyChain::has(NoteKey const& key) const {
  return std::any_of(links_.begin(), links_.end(), [&](Link const& link) { return same_key(link.key, key); });
}

std::vector<NoteKey> KeyChain::keys() const {
  std::vector<NoteKey> keys;
  for (Link const& link : links_) keys.push_back(link.key);
  return keys;
}

Result<Checkpoint> read_checkpoint(std::string_view bytes, KeyChain const& chain) {
  IMPOUND_TRY(note, parse_note(bytes));
  IMPOUND_TRY(checkpoint, checkpoint_from_text(note.text));
  IMPOUND_CHECK(verify_note(note, chain.keys()));
  KeyChain::Link const& link = chain.link_at(checkpoint.size);
  if (!verify_note(note, std::span{&link.key, 1})) {
    bool const retired = !same_key(link.key, chain.links().front().key);
    return Error{Code::refused,
                 retired ? "the checkpoint is signed by a key that was retired at entry " + std::to_string(link.from)
                         : "the checkpoint is signed by a key that was not yet the log's",
                 {},
                 {}};
  }
  if (checkpoint.origin != link.key.name)
    return Error{
        Code::refused, "the checkpoint is of the log " + checkpoint.origin + ", not of " + link.key.name, {}, {}};
  return checkpoint;
}

bool signed_by_others(std::string_view bytes, NoteKey const& key) {
  auto const note = parse_note(bytes);
  if (!note) return false;
  auto const& lines = note.value().signatures;
  return std::any_of(lines.begin(), lines.end(),
                     [&](NoteSignature const& line) { return line.name == key.name && line.key_id != key.id(); });
}

Result<void> follow_rotations(KeyChain& chain, std::uint64_t size,
                              std::function<Result<std::string>(TileName const&)> const& read) {
  unsigned gone_in_a_row = 0;
  for (std::uint64_t first = 0; first < size; first += tile_width) {
    auto const width = static_cast<unsigned>(std::min<std::uint64_t>(tile_width, size - first));
    auto const bundle = read(TileName{true, 0, first / tile_width, width});
    if (!bundle && bundle.error().code != Code::not_found) return bundle.error();
    gone_in_a_row = bundle ? 0 : gone_in_a_row + 1;
    if (gone_in_a_row > gone_in_a_row_max) break;
    if (!bundle) continue;
    auto const each =
        each_in_bundle(bundle.value(), width, [&](unsigned position, std::string_view entry) -> Result<void> {
          chain.take(first + position, entry);
          return ok();
        });
    if (!each) continue;  // damage is told by whoever hashes the bundle
  }
  return ok();
}

}  // namespace impound::evidence
