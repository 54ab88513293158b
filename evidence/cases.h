// What the log says of cases: opened, held, closed, and which entries were assigned to them.
//
//     case.opened   {"title"?,"authority"?}        the case in the envelope, the person in `by`
//     case.assigned {"subject","why"?}             subject: the id of the entry that belongs to the case from now on
//     case.changed  {"change":"hold"|"release","why"?}
//     case.closed   {"why"?}
//
// A case may be named by entries that nobody opened (fetch --case NAME): it is there, "unopened", and must be opened
// before it can be held, closed or assigned to. A hold outlives the closing of its case: closing says that no more is
// to come, a hold that nothing may go. Entries in the log's order; one thread. Memory grows with the cases.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "evidence/custody_entry.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct CaseState {
  bool opened = false;
  bool closed = false;
  bool held = false;
  std::string title;
  std::string authority;
  std::uint64_t entries = 0;   // with the case in their envelope
  std::uint64_t exhibits = 0;  // of these, exhibit.sealed
  std::uint64_t assigned = 0;  // case.assigned
};

class Cases {
 public:
  void take(ReadEntry const& entry);
  std::map<std::string, CaseState> const& by_name() const { return cases_; }
  /// Null when no entry has the case.
  CaseState const* find(CaseName const& name) const;

  /// Whether an entry of this kind (and, of case.changed, this change) may follow what the log has. Code::not_found for
  /// a case nobody opened, Code::exists for what is so already, Code::refused for a closed case.
  Result<void> may_open(CaseName const& name) const;
  Result<void> may_assign(CaseName const& name) const;
  Result<void> may_close(CaseName const& name) const;
  Result<void> may_hold(CaseName const& name) const;
  Result<void> may_release(CaseName const& name) const;

 private:
  Result<CaseState const*> opened(CaseName const& name) const;

  std::map<std::string, CaseState> cases_;
};

}  // namespace impound::evidence
