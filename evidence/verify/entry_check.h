// What the entries of a log say about the vault, gathered while they are checked one by one. Private to verify/.
//
// Memory: 16 bytes an entry id, 48 an exhibit, about 70 a WARC record, each with what its container adds.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/values/digest.h"
#include "evidence/verify/erasure_check.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

struct NamedObject {
  Sha256 sha256;
  std::uint64_t size = 0;
  std::uint64_t index = 0;  // of the exhibit
  bool same_object(NamedObject const& other) const { return sha256 == other.sha256 && size == other.size; }
  auto operator<=>(NamedObject const&) const = default;
};

struct NamedRecord {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Sha256 sha256;
  std::uint64_t index = 0;  // of the capture
  bool same_record(NamedRecord const& other) const {
    return offset == other.offset && length == other.length && sha256 == other.sha256;
  }
  auto operator<=>(NamedRecord const&) const = default;
};

/// A WARC file out of which records were cut: the others follow each other, in their order, from its beginning.
struct RewrittenWarc {
  struct Cut {
    NamedRecord record;
    std::uint64_t by_entry = 0;
  };
  std::vector<Cut> cuts;
  std::uint64_t last_by_entry = 0;
  std::optional<Sha256> after;  // as the last of them says
};

/// Everything in the vault that an entry vouches for.
struct Named {
  // Sorted after settle(), without those whose erasure is ordered. Exhibits may share an object.
  std::vector<NamedObject> objects;
  std::map<std::string, std::vector<NamedRecord>> records;  // by file
  std::map<std::string, RewrittenWarc> rewritten;           // by file
  ErasureCheck erasures;
  std::uint64_t exhibits = 0;
  std::uint64_t captures = 0;
  std::optional<Sha256> vault_toml;  // as entry 0 has it
  bool session_open = false;         // the last session has not said agent.stopped

  void settle();
  bool has_object(Sha256 const& digest) const;  // after settle()
  /// Where the last named record of a WARC file ends, as it must be by now; nothing when no entry names the file.
  std::optional<std::uint64_t> end_of(std::string const& file) const;
};

class EntryCheck {
 public:
  explicit EntryCheck(Verdict& verdict) : verdict_(&verdict) {}
  void add(std::uint64_t index, std::string_view bytes);
  /// A blanked entry, whose tile has `leaf`.
  void hole(std::uint64_t index, LeafHash const& leaf) { named_.erasures.hole(index, leaf); }
  Named& named() { return named_; }

 private:
  using IdBytes = std::array<std::byte, 16>;
  struct IdHash {
    std::size_t operator()(IdBytes const& id) const;
  };
  void check_reference(ReadEntry const& entry, std::optional<EntryId> const& to, std::string detail,
                       std::string const& where);
  void check_ids(ReadEntry const& entry, std::string const& where);
  void take_exhibit(ReadEntry const& entry, std::string const& where);
  void take_capture(ReadEntry const& entry, std::string const& where);

  Verdict* verdict_;
  Named named_;
  std::unordered_set<IdBytes, IdHash> ids_;
};

}  // namespace impound::evidence
