// The content of a case: what a package of it holds, and what a hold on it keeps. Nothing of another case.
//
// An entry belongs to the case when its envelope has it or a case.assigned of the case names it. From these
// - down: what has one of them, or what came down from it, as its `of` or `cause`, or is a note or an erasure of it.
//   The way down ends before whatever belongs to other cases only: an assigned paste brings the acquisitions it led to,
//   not those that another case began from it;
// - up: each `cause` and `of`, to the first capture, and the capture an exhibit came out of. Going up brings the entry
//   itself, never what else hangs on it: the paste that two cases share comes with each of them, alone. A result comes
//   with its attempt;
// - named: exhibits that these entries name by id or by digest, unless another case has them; for a digest that is the
//   exhibit that is here already, else the first one;
// - needed: vault.created, key.rotated, rollback.accepted; of each session agent.started, agent.stopped and
//   clock.stepped; the settings in force, with their exhibit; the first timestamp that covers each entry; and the
//   entry that orders a hole.
//
// Three kinds of pass over the log, one entry in memory at a time; kept are ids and links, about 100 bytes an entry,
// 48 more an exhibit. Blanked entries take part by what their entry.erased keeps. Any one thread; errors: the reader's,
// and Code::malformed for an entry that is none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evidence/log_reader.h"
#include "evidence/values/case_name.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

struct CaseObject {
  Sha256 sha256;
  std::uint64_t size = 0;
  auto operator<=>(CaseObject const&) const = default;
};

struct CaseContent {
  std::vector<std::uint64_t> entries;        // sorted; blanked ones among them
  std::vector<CaseObject> objects;           // sorted, each once; without those that were erased
  std::vector<WrittenRecord> records;        // by file and offset as written, each once; without those that were erased
  std::vector<std::string> timestamp_files;  // sorted: tokens, chains, anchored checkpoints
};

/// A case that no entry has is empty.
Result<CaseContent> case_content(LogReader& log, CaseName const& name);

}  // namespace impound::evidence
