// One act on a case, judged against what the log has of it: what `case` and the agent's socket write.
//
// judge() reads the published log, and may be called again: before anything is written, so that what cannot be leaves
// no trace, and once more by who holds the vault, for another may have been faster. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/service/control_messages.h"
#include "agent/settings/settings.h"
#include "evidence/cases.h"
#include "evidence/custody_entry.h"
#include "evidence/values/case_name.h"
#include "evidence/values/result.h"

namespace impound::agent {

class SubjectSearch;

/// What the log has of cases, read on as it grows.
class CasesRead {
 public:
  Result<void> read_on(Settings const& settings, SubjectSearch* search = nullptr);
  evidence::Cases const& cases() const { return cases_; }

 private:
  evidence::Cases cases_;
  std::uint64_t read_ = 0;
};

class CaseAct {
 public:
  /// open, close, hold, release or assign. Code::usage says what is wrong.
  static Result<CaseAct> parse(CaseOrder const& order);
  CaseAct(CaseAct&&) noexcept;
  CaseAct& operator=(CaseAct&&) noexcept;
  ~CaseAct();

  /// Code::refused, not_found or exists when what the log has does not allow it.
  Result<void> judge(Settings const& settings);
  /// After judge().
  evidence::EntryDraft draft(evidence::By by) const;
  /// A line for stdout, once it is recorded.
  std::string told() const;

 private:
  struct State;
  explicit CaseAct(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace impound::agent
