// What a verification found: counts, problems, notes, and what it did not look at.
//
// A problem makes the verdict "not ok"; a note does not. `what` is a closed list. At most 1,000 problems are kept, the
// rest is counted. to_json() gives the documented object of `impound verify --json`. Plain values; no thread of its
// own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/formats/canonical_json.h"
#include "evidence/values/digest.h"

namespace impound::evidence {

enum class What {
  altered,      // the bytes are not those that the log vouches for
  missing,      // named and not there
  added,        // there and named by nothing
  unlogged,     // left by a crash: starting the agent once logs it or sets it aside
  unsigned_,    // no valid signature of the log's key
  rolled_back,  // older than a checkpoint that somebody holds
  forked,       // contradicts a checkpoint that somebody holds
  malformed,    // not what its place demands
  untrusted,    // signed by somebody whom nobody vouches for
  time,         // a time that cannot be
};
std::string_view word(What what);

struct Problem {
  What what = What::altered;
  std::string where;  // a path in the vault, `entry N`, or `record <sha256>`
  std::string detail;
  bool operator==(Problem const&) const = default;
};

inline constexpr std::size_t problems_max = 1'000;

/// Bytes that are gone because an entry of the log orders it.
struct Erased {
  std::string what;   // "entry", "object", "record"
  std::string where;  // as a problem's
  std::uint64_t by_entry = 0;
  bool operator==(Erased const&) const = default;
};

struct Verdict {
  std::uint64_t entries = 0;
  std::uint64_t exhibits = 0;
  std::uint64_t objects = 0;        // hashed
  std::uint64_t objects_named = 0;  // that the log says must be there, each once
  std::uint64_t captures = 0;
  std::uint64_t records = 0;  // hashed
  std::uint64_t records_named = 0;
  std::uint64_t bytes = 0;  // hashed, of objects and WARC files
  std::uint64_t timestamps = 0;
  std::uint64_t checkpoint_size = 0;
  LeafHash checkpoint_root{};
  std::vector<Problem> problems;
  std::uint64_t problems_not_listed = 0;
  std::vector<Erased> erased;  // no problems; at most 1,000 are kept
  std::uint64_t erased_not_listed = 0;
  std::vector<std::string> notes;
  std::vector<std::string> not_checked;

  bool interrupted = false;  // by the caller: then it says nothing of the vault

  bool ok() const { return problems.empty() && !interrupted; }
  /// Keeps it, or counts it.
  void add(What what, std::string where, std::string detail);
  void add_erased(std::string what, std::string where, std::uint64_t by_entry);
  /// {"ok","entries","exhibits","objects","objects_named","captures","records","records_named","bytes",
  ///  "checkpoint":{"size","root"},"timestamps","problems":[{"what","where","detail"}],"problems_not_listed",
  ///  "erased":[{"what","where","by_entry"}],"erased_not_listed","notes":[],"not_checked":[]}
  Json to_json() const;
};

/// Bytes of a name as text that is safe in JSON and on a terminal: others than printable ASCII and valid UTF-8 as \xNN.
std::string printable(std::string_view bytes);

}  // namespace impound::evidence
