#include "evidence/cases.h"

namespace impound::evidence {

namespace {

Error wrong(Code code, std::string what, CaseName const& name, std::string hint = {}) {
  return Error{code, std::move(what), "case " + name.text(), std::move(hint)};
}

}  // namespace

void Cases::take(ReadEntry const& entry) {
  auto const name = entry.case_name();
  if (!name) return;
  CaseState& state = cases_[name->text()];
  std::string const& kind = entry.kind();
  ++state.entries;
  if (kind == "exhibit.sealed") ++state.exhibits;
  if (kind == "case.assigned") ++state.assigned;
  if (kind == "case.closed") state.closed = true;
  if (kind == "case.changed") {
    auto const change = entry.text("change");
    if (change == "hold") state.held = true;
    if (change == "release") state.held = false;
  }
  if (kind == "case.opened") {
    state.opened = true;
    state.title = entry.text("title").value_or("");
    state.authority = entry.text("authority").value_or("");
  }
}

CaseState const* Cases::find(CaseName const& name) const {
  auto const found = cases_.find(name.text());
  return found == cases_.end() ? nullptr : &found->second;
}

Result<CaseState const*> Cases::opened(CaseName const& name) const {
  CaseState const* const state = find(name);
  if (state != nullptr && state->opened) return state;
  return wrong(Code::not_found, state == nullptr ? "there is no such case" : "entries name this case, nobody opened it",
               name, "Open it first: impound case open " + name.text());
}

Result<void> Cases::may_open(CaseName const& name) const {
  CaseState const* const state = find(name);
  if (state == nullptr || !state->opened) return ok();
  return wrong(Code::exists, state->closed ? "this case was opened before, and closed" : "this case is open already",
               name, "A case is opened once; what comes later needs another name");
}

Result<void> Cases::may_assign(CaseName const& name) const {
  IMPOUND_TRY(state, opened(name));
  if (state->closed) return wrong(Code::refused, "this case is closed: nothing is assigned to it any more", name);
  return ok();
}

Result<void> Cases::may_close(CaseName const& name) const {
  IMPOUND_TRY(state, opened(name));
  if (state->closed) return wrong(Code::exists, "this case is closed already", name);
  return ok();
}

Result<void> Cases::may_hold(CaseName const& name) const {
  IMPOUND_TRY(state, opened(name));
  if (state->held) return wrong(Code::exists, "a hold stands on this case already", name);
  return ok();
}

Result<void> Cases::may_release(CaseName const& name) const {
  IMPOUND_TRY(state, opened(name));
  if (!state->held) return wrong(Code::not_found, "no hold stands on this case", name);
  return ok();
}

}  // namespace impound::evidence
