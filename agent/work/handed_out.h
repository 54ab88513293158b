// The entries about what left the vault: an export, a working copy. The same, whether the command that made it logs it
// or has it logged by the holder. Pure; any thread.
#pragma once

#include <optional>

#include "agent/service/control_messages.h"
#include "evidence/custody_entry.h"
#include "evidence/values/case_name.h"

namespace impound::agent {

evidence::EntryDraft exported(ExportOrder const& what, std::optional<CaseName> const& case_name, evidence::By by);
/// `case_name`: of its subject.
evidence::EntryDraft copied(CopyOrder const& what, std::optional<CaseName> const& case_name, evidence::By by);

}  // namespace impound::agent
