#include "agent/work/handed_out.h"

#include <utility>

#include "agent/work/working_copy.h"

namespace impound::agent {

evidence::EntryDraft exported(ExportOrder const& what, std::optional<CaseName> const& case_name, evidence::By by) {
  Json body{{"format", what.format}, {"entries", what.entries}, {"sha256", what.sha256}, {"size", what.size}};
  return {"export.created", std::move(body), case_name, {}, {}, std::move(by), {}};
}

evidence::EntryDraft copied(CopyOrder const& what, std::optional<CaseName> const& case_name, evidence::By by) {
  Json body{{"subject", what.subject}, {"files", what.files}, {"bytes", json_number(what.bytes)}};
  add_path(body, "to", what.folder);
  return {"copy.made", std::move(body), case_name, {}, {}, std::move(by), {}};
}

}  // namespace impound::agent
