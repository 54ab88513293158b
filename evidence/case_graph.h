// How the entries of a log hang together: for each its case, its kind in a few words, and the indexes of the entries it
// points to. Private to case_content.cpp. Made by one pass over the log; links always lead to earlier entries.
//
// Memory: about 56 bytes an entry, 40 its id, 40 an exhibit.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/log_reader.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

enum class CaseRole : std::uint8_t {
  other,
  exhibit,
  attempt,         // of a capture or an acquisition
  result,          // of these
  remark,          // a note, a copy, later digests: about another entry
  erasure,         // about the entry that it orders gone
  log_of_its_own,  // vault.created, key.rotated, rollback.accepted
  session,         // agent.started
  session_end,
  clock,
  settings,
  agent,  // what else the agent says of itself
  stamp_attempt,
  stamp_result,
};

inline constexpr std::uint64_t no_entry = UINT64_MAX;

struct CaseNode {
  std::uint64_t of = no_entry;
  std::uint64_t cause = no_entry;
  std::uint64_t about = no_entry;    // of a remark or an erasure
  std::uint64_t capture = no_entry;  // that an exhibit came out of
  std::uint64_t session = no_entry;
  CaseRole role = CaseRole::other;
  bool here = false;       // of the case that is asked for, by its envelope or by assignment
  bool elsewhere = false;  // of another case, likewise
};

class CaseGraph {
 public:
  explicit CaseGraph(std::string case_name) : case_(std::move(case_name)) {}
  Result<void> read(LogReader& log);

  std::vector<CaseNode> nodes;
  std::vector<std::pair<Sha256, std::uint64_t>> exhibits;  // sorted
  std::set<std::uint64_t> erased;                          // exhibits and captures whose bytes are ordered gone
  struct Stamp {
    std::uint64_t size = 0;  // of the checkpoint
    std::uint64_t attempt = no_entry;
    bool has_tokens = false;
  };
  std::vector<Stamp> stamps;  // those with tokens, smallest first

  bool foreign(std::uint64_t index) const { return !nodes[index].here && nodes[index].elsewhere; }
  std::optional<std::uint64_t> find(std::string const& id) const;

 private:
  using Id = std::array<std::byte, 16>;
  struct IdHash {
    std::size_t operator()(Id const& id) const;
  };
  static std::optional<Id> id_of(std::string const& text);

  void take(ReadEntry const& entry);
  void take_erasure(ReadEntry const& entry);
  void take_stamp(ReadEntry const& entry);
  void link(std::uint64_t from, std::uint64_t CaseNode::*where, std::optional<EntryId> const& to);
  void settle();

  struct Loose {
    std::uint64_t from = 0;
    std::uint64_t CaseNode::*where = nullptr;
    Id to{};
  };
  std::string case_;
  std::unordered_map<Id, std::uint64_t, IdHash> ids_;
  std::vector<Loose> loose_;  // to blanked entries, whose ids come later
  std::vector<std::pair<Id, bool>> assigned_;
};

}  // namespace impound::evidence
