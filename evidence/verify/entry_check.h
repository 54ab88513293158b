// What the entries of a log say about the vault, gathered while they are checked one by one. Private to verify/.
//
// Memory: 16 bytes an entry id, 40 an exhibit, about 60 a WARC record, each with what its container adds.
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
#include "evidence/verify/id_set.h"
#include "evidence/verify/named_stampings.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

struct NamedObject {
  Sha256 sha256;
  std::uint64_t size = 0;
  auto operator<=>(NamedObject const&) const = default;
};

struct NamedRecord {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Sha256 sha256;
  auto operator<=>(NamedRecord const&) const = default;
};

/// Everything in the vault that an entry vouches for.
struct Named {
  std::vector<NamedObject> objects;                         // sorted and without doubles after settle()
  std::map<std::string, std::vector<NamedRecord>> records;  // by file; sorted and without doubles after settle()
  NamedStampings stampings;
  std::uint64_t exhibits = 0;
  std::uint64_t captures = 0;
  std::optional<Sha256> vault_toml;  // as entry 0 has it
  bool session_open = false;         // the last session has not said agent.stopped

  void settle();
  bool has_object(Sha256 const& digest) const;  // after settle()
  /// Where the last named record of a WARC file ends; nothing when no entry names the file.
  std::optional<std::uint64_t> end_of(std::string const& file) const;
  std::uint64_t named_records() const;
  std::uint64_t bytes() const;  // of all objects and records, after settle()
};

class EntryCheck {
 public:
  explicit EntryCheck(Verdict& verdict) : verdict_(&verdict) {}
  void add(std::uint64_t index, std::string_view bytes);
  Named& named() { return named_; }

  /// Entries whose time is wanted later; told before they come.
  void want_time_of(std::uint64_t index) { wanted_times_.insert(index); }
  /// What a wanted entry says, if its clock was synchronised.
  std::optional<std::int64_t> synchronised_time_of(std::uint64_t index) const;

 private:
  bool take_lean(std::uint64_t index, std::string_view bytes);
  void check_ids(ReadEntry const& entry, std::string const& where);
  void take_exhibit(ReadEntry const& entry, std::string const& where);
  void take_capture(ReadEntry const& entry, std::string const& where);

  void take_time(ReadEntry const& entry);

  Verdict* verdict_;
  Named named_;
  IdSet ids_;
  IdBytes last_session_{};
  std::set<std::uint64_t> wanted_times_;
  std::map<std::uint64_t, std::int64_t> times_;  // us, of wanted entries with a synchronised clock
};

}  // namespace impound::evidence
