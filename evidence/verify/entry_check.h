// What the entries of a log say about the vault, gathered while they are checked one by one. Private to verify/.
//
// Memory: 16 bytes an entry id, 48 an exhibit, about 70 a WARC record, each with what its container adds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/values/digest.h"
#include "evidence/verify/erasure_check.h"
#include "evidence/verify/id_set.h"
#include "evidence/verify/lean_entry.h"
#include "evidence/verify/named_stampings.h"
#include "evidence/verify/verdict.h"
#include "evidence/warc/closing.h"

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
  std::uint64_t first_by_entry = UINT64_MAX;
  std::uint64_t last_by_entry = 0;
  Sha256 before;                // as the first of them says
  std::optional<Sha256> after;  // as the last of them says
};

/// A WARC file as its warc.closed has it.
struct NamedClosing {
  ClosedWarc closed;
  std::uint64_t index = 0;  // of the entry
};

/// Everything in the vault that an entry vouches for.
struct Named {
  // Sorted after settle(), without those whose erasure is ordered. Exhibits may share an object.
  std::vector<NamedObject> objects;
  std::map<std::string, std::vector<NamedRecord>> records;  // by file
  std::map<std::string, RewrittenWarc> rewritten;           // by file
  std::map<std::string, NamedClosing> closings;             // by file
  ErasureCheck erasures;
  NamedStampings stampings;
  std::uint64_t exhibits = 0;
  std::uint64_t captures = 0;
  std::optional<Sha256> vault_toml;  // as entry 0 has it
  bool session_open = false;         // the last session has not said agent.stopped

  void settle();
  bool has_object(Sha256 const& digest) const;  // after settle()
  /// Where the last named record of a WARC file ends, as it must be by now; nothing when no entry names the file.
  std::optional<std::uint64_t> end_of(std::string const& file) const;
  std::uint64_t named_objects() const;  // each once, as all of these after settle()
  std::uint64_t named_records() const;
  std::uint64_t bytes() const;  // of all objects and records

 private:
  template <class Take>
  void for_each_object(Take take) const {
    for (std::size_t i = 0; i < objects.size(); ++i)
      if (i == 0 || !objects[i].same_object(objects[i - 1])) take(objects[i]);
  }
  template <class Take>
  void for_each_record(Take take) const {
    for (auto const& [file, places] : records)
      for (std::size_t i = 0; i < places.size(); ++i)
        if (i == 0 || !places[i].same_record(places[i - 1])) take(places[i]);
  }
};

class EntryCheck {
 public:
  explicit EntryCheck(Verdict& verdict) : verdict_(&verdict) {}

  /// The first reading of an entry that add() will get, some hundred entries later at most. It makes the processor
  /// fetch the place of its id, which in a long log lies anywhere.
  std::optional<LeanEntry> read_ahead(std::string_view bytes) const;
  /// How an entry was read: of the many whose kind only LeanEntry tells, or as a document.
  enum class Taken { lean, whole };
  Taken add(std::uint64_t index, std::string_view bytes, std::optional<LeanEntry> const& lean);
  /// A blanked entry, whose tile has `leaf`.
  void hole(std::uint64_t index, LeafHash const& leaf) { named_.erasures.hole(index, leaf); }
  Named& named() { return named_; }

  /// Entries whose time is wanted later; told before they come.
  void want_time_of(std::uint64_t index) { wanted_times_.insert(index); }
  /// What a wanted entry says, if its clock was synchronised.
  std::optional<std::int64_t> synchronised_time_of(std::uint64_t index) const;

 private:
  bool take_lean(std::uint64_t index, LeanEntry const& entry);
  void take_whole(std::uint64_t index, std::string_view bytes);
  void check_reference(ReadEntry const& entry, std::optional<EntryId> const& to, std::string detail,
                       std::string const& where);
  void check_ids(ReadEntry const& entry, std::string const& where);
  void take_exhibit(ReadEntry const& entry, std::string const& where);
  void take_capture(ReadEntry const& entry, std::string const& where);
  void take_closing(ReadEntry const& entry, std::string const& where);

  void take_time(ReadEntry const& entry);

  Verdict* verdict_;
  Named named_;
  IdSet ids_;
  IdBytes last_session_{};
  std::set<std::uint64_t> wanted_times_;
  std::map<std::uint64_t, std::int64_t> times_;  // us, of wanted entries with a synchronised clock
};

}  // namespace impound::evidence
