// Which payload files the vault has, by what v2 torrents call them: their root of SHA-256 over 16 KiB blocks (BEP 52,
// `pieces root`) and their size. Two torrents that name the same root mean the same bytes.
//
// Only exhibits whose root the agent held against the bytes itself are in it. What was erased by order is not: whoever
// asks gets nothing. `Gap:` another torrent that names the same file may bring it again. About 150 bytes a file. One
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "evidence/formats/canonical_json.h"
#include "evidence/values/digest.h"
#include "evidence/values/entry_id.h"

namespace impound::agent {

struct HeldFile {
  Sha256 object;
  EntryId exhibit;  // the first that named it so
};

class HeldFiles {
 public:
  /// The body of an exhibit.sealed; one that is no payload with a root changes nothing.
  void take_sealed(Json const& body, EntryId const& exhibit);
  /// The body of an exhibit.erased.
  void take_erased(Json const& body);
  std::optional<HeldFile> find(Sha256 const& pieces_root, std::uint64_t size) const;

 private:
  using Name = std::pair<Sha256, std::uint64_t>;  // root and size
  std::map<Name, HeldFile> files_;
  std::multimap<Sha256, Name> by_object_;
};

}  // namespace impound::agent
