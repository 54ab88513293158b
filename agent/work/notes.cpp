#include "agent/work/notes.h"

#include <optional>
#include <utility>

#include "agent/work/reading.h"
#include "evidence/formats/canonical_json.h"

namespace impound::agent {

namespace {

constexpr std::size_t note_text_bytes_max = 4'000;

}  // namespace

Result<evidence::EntryDraft> note_on(Settings const& settings, std::string const& subject, std::string const& text,
                                     evidence::By by) {
  auto const id = EntryId::parse(subject);
  if (!id) return Error{Code::usage, "no id of an entry", subject.substr(0, 120), "`impound log` prints what there is"};
  if (text.empty() || text.size() > note_text_bytes_max || !is_utf8(text))
    return Error{Code::usage, "a note is text in UTF-8 of 1 to 4,000 bytes", std::to_string(text.size()) + " bytes",
                 "Longer papers are exhibits of their own"};
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(found, reading.find(*id));
  if (!found)
    return Error{Code::not_found, "the vault's log has no entry with this id", id->text(),
                 "`impound log` prints what there is"};
  return evidence::EntryDraft{
      "note.added", {{"subject", id->text()}, {"text", text}}, found->entry.case_name(), {}, {}, std::move(by), {}};
}

}  // namespace impound::agent
