#include "evidence/verify/key_check.h"

#include <utility>

#include "evidence/custody_entry.h"

namespace impound::evidence {

void KeyCheck::take(std::uint64_t index, std::string_view bytes, Sha256 const& root) {
  if (!may_be_rotation(bytes)) return;
  auto const entry = read_entry(index, bytes);
  if (!entry || entry.value().kind() != "key.rotated") return;  // told by EntryCheck, or another kind
  std::string const where = "entry " + std::to_string(index);
  auto const read = read_rotation(entry.value());
  if (!read) return verdict_->add(What::malformed, where, line(read.error()));
  KeyRotation const& rotation = read.value();
  if (rotation.size != index || rotation.root != root)
    return verdict_->add(What::untrusted, where, "the rotation was signed for another place or another history");
  if (auto const held = rotation_signed(rotation); !held)
    return verdict_->add(What::unsigned_, where, held.error().what);
  if (!chain_) chain_.emplace(rotation.old_key);
  if (!chain_->add(rotation))
    verdict_->add(What::untrusted, where,
                  same_key(rotation.old_key, chain_->newest())
                      ? "it hands the log to a key that was retired before"
                      : "it hands over from a key that was not the log's: " + rotation.old_key.vkey());
}

KeyChain KeyCheck::chain_from(NoteKey const& trusted) const { return has(trusted) ? *chain_ : KeyChain(trusted); }

std::optional<KeyChain::Link> KeyCheck::first() const {
  if (!chain_ || chain_->links().size() < 2) return std::nullopt;
  return KeyChain::Link{chain_->links()[0].key, chain_->links()[1].from};
}

std::string told_of_rotations(KeyChain const& chain, NoteKey const& trusted, std::string const& name) {
  auto const& links = chain.links();
  std::size_t at = 0;
  while (at < links.size() && !same_key(links[at].key, trusted)) ++at;
  if (links.size() == 1 || at == links.size()) return {};
  if (at + 1 == links.size())
    return name + " signs since entry " + std::to_string(links[at].from) + "; before it the log had " +
           std::to_string(at) + " other(s), which it vouches for";
  return name + " was retired at entry " + std::to_string(links[at + 1].from) + "; " +
         std::to_string(links.size() - 1 - at) + " rotation(s) signed by old and new key lead from it to " +
         chain.newest().vkey();
}

}  // namespace impound::evidence
