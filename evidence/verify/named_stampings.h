// What a log says of time-stamps, gathered entry by entry: each attempt, its result, and the files they name. Private
// to verify/.
//
// Memory: about 1 KiB an attempt with two authorities.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/timestamps/stamping_entry.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

struct NamedStamping {
  std::uint64_t attempt_index = 0;
  StampingAttempt attempt;
  std::uint64_t result_index = 0;  // of its result, when there is one
  std::optional<StampingResult> result;
};

class NamedStampings {
 public:
  /// timestamp.attempt and timestamp.result; what is wrong with the entry itself is told at once.
  void take_attempt(ReadEntry const& entry, std::string const& where, Verdict& verdict);
  void take_result(ReadEntry const& entry, std::string const& where, Verdict& verdict);

  std::vector<NamedStamping> const& all() const { return all_; }  // in the log's order
  bool names(std::string const& path) const { return files_.contains(path); }
  /// A token, chain or CRL (or a draft of one) that an attempt without a result asked for.
  bool of_open(std::string_view path) const;
  /// Whether an attempt is over this size.
  bool has_size(std::uint64_t size) const { return sizes_.contains(size); }

 private:
  std::vector<NamedStamping> all_;
  std::map<EntryId, std::size_t> by_attempt_;
  std::set<std::string, std::less<>> files_;
  std::set<std::uint64_t> sizes_;
};

}  // namespace impound::evidence
