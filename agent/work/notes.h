// A remark on an entry, judged: what `note` and the agent's socket write.
#pragma once

#include <string>

#include "agent/settings/settings.h"
#include "evidence/custody_entry.h"
#include "evidence/values/result.h"

namespace impound::agent {

/// Code::usage for what is no id or no note, Code::not_found for an id that the published log has not. Reads the vault
/// beside its holder; writes nothing.
Result<evidence::EntryDraft> note_on(Settings const& settings, std::string const& subject, std::string const& text,
                                     evidence::By by);

}  // namespace impound::agent
