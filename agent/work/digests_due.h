// Which exhibits still lack SHA-1 and MD5: what came from outside and was sealed with SHA-256 alone. Told by the log
// (exhibit.sealed without them, no exhibit.digested yet), so that a later run goes on where the last one ended. One
// object may be several exhibits: it is read once. Memory: about 150 bytes an exhibit that waits. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/values/digest.h"

namespace impound::agent {

struct DigestsDue {
  struct Waiting {
    std::uint64_t size = 0;
    std::vector<EntryId> exhibits;
  };
  std::map<Sha256, Waiting> objects;

  /// Takes an entry's kind and body; exhibit.erased takes its object off; every other kind changes
  /// nothing.
  void take(std::string_view kind, Json const& body, EntryId const& id, std::optional<EntryId> const& of);
};

}  // namespace impound::agent
