// Which keys a log has had, worked out from its key.rotated entries while they are walked; and whether a note is signed
// by the one of its size. Private to verify/.
//
// Every rotation must be signed by the key before and the key after it, over exactly the log before it. The chain is
// then held against a key that somebody trusts, which may be any link of it: an older one leads by signatures to the
// newest; what came before a newer one is vouched for by the tree that it signs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "evidence/key_rotation.h"
#include "evidence/values/digest.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

class KeyCheck {
 public:
  /// `verdict` gets what is wrong with single rotations, as `entry N`.
  explicit KeyCheck(Verdict& verdict) : verdict_(&verdict) {}

  /// Entry `index`; `root` is that of the log before it. Entries of other kinds are passed over.
  void take(std::uint64_t index, std::string_view entry, Sha256 const& root);

  /// The log's keys when `trusted` is one of them; without a rotation it is the only one.
  KeyChain chain_from(NoteKey const& trusted) const;
  bool has(NoteKey const& key) const { return chain_ && chain_->has(key); }
  /// The key that the first rotation hands over from, and that rotation's index; nothing when the log never changed
  /// its key.
  std::optional<KeyChain::Link> first() const;

 private:
  Verdict* verdict_;
  std::optional<KeyChain> chain_;
};

/// How `trusted`, called `name` in the sentence, came to be or ceased to be the log's newest key; empty when nothing
/// changed.
std::string told_of_rotations(KeyChain const& chain, NoteKey const& trusted, std::string const& name);

}  // namespace impound::evidence
