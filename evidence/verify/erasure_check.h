// The holes of a log and the entries that explain them. Private to verify/.
//
// A blanked entry comes before the entry.erased that orders it, and so does what refers to it; both are judged when the
// log was read through. A hole is accepted only with an entry that names its index and the hash that the level 0 tile
// kept; what is ordered gone must be gone.
//
// Gap: the kind of a blanked entry is what its entry.erased says; the bytes that could contradict it are gone. Only
// agent.started cannot hide: the entries of its session name it. Beside a running writer an erasure that happens
// meanwhile can still be told as a missing object; the next verification is right.
//
// Memory: about 100 bytes an erasure; nothing where none was.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/erased_entry.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

class ErasureCheck {
 public:
  using IdBytes = std::array<std::byte, 16>;

  /// A record of no bytes at `index`; its tile has `leaf`.
  void hole(std::uint64_t index, LeafHash const& leaf) { holes_[index] = leaf; }
  /// exhibit.erased or entry.erased. True: from here on `id_of_blank` is the id of a hole, and nothing else's.
  bool take(ReadEntry const& entry, IdBytes const& id_of_blank, std::string const& where, Verdict& verdict);
  /// Entry `from` names an id that no earlier entry has: a problem, unless a blanked one had it.
  void refer(std::uint64_t from, IdBytes const& to, Problem otherwise) {
    referred_.push_back({from, to, std::move(otherwise)});
  }

  /// By the index of the exhibit.sealed or capture.result whose bytes are gone.
  struct Bytes {
    std::uint64_t by_entry = 0;
    ErasedExhibit erased;
    bool found = false;  // the entry is there and vouches for these bytes
  };
  std::map<std::uint64_t, Bytes>& bytes() { return bytes_; }
  std::map<std::uint64_t, Bytes> const& bytes() const { return bytes_; }

  /// After the last entry, once: what else is wrong, and the list of holes. `crashed`: the last session did not end, so
  /// what is ordered may not be destroyed yet. `beside_writer`: it may be destroyed just now.
  void judge(bool crashed, bool beside_writer, Verdict& verdict);

 private:
  struct Blank {
    std::uint64_t by_entry = 0;
    ErasedEntry erased;
  };
  struct Referred {
    std::uint64_t from = 0;
    IdBytes to{};
    Problem otherwise;
  };
  void judge_holes(Verdict& verdict);
  void judge_bytes(Verdict& verdict);
  void judge_references(Verdict& verdict);

  std::map<std::uint64_t, LeafHash> holes_;
  std::map<std::uint64_t, Blank> blanks_;  // entry.erased by the index they name
  std::map<IdBytes, std::uint64_t> blank_ids_;
  std::map<std::uint64_t, Bytes> bytes_;
  std::vector<Referred> referred_;
};

}  // namespace impound::evidence
