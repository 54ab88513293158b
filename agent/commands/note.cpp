// impound note: an operator's remark on an entry, for good: it stands in the log as the entry does.
#include <cstdio>
#include <memory>
#include <optional>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/anchoring.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "evidence/formats/canonical_json.h"

namespace impound::agent {

namespace {

constexpr std::size_t note_text_bytes_max = 4'000;

struct NoteCommand {
  std::string subject;
  std::string text;
};

Result<evidence::ReadEntry> noted_entry(EntryId const& id, Settings const& settings) {
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(found, reading.find(id));
  if (!found)
    return Error{Code::not_found, "the vault's log has no entry with this id", id.text(),
                 "`impound log` prints what there is"};
  return std::move(found->entry);
}

Result<void> run(NoteCommand const& asked, Invocation& invocation) {
  auto const id = EntryId::parse(asked.subject);
  if (!id)
    return Error{Code::usage, "no id of an entry", asked.subject.substr(0, 120), "`impound log` prints what there is"};
  if (asked.text.empty() || asked.text.size() > note_text_bytes_max || !is_utf8(asked.text))
    return Error{Code::usage, "a note is text in UTF-8 of 1 to 4,000 bytes",
                 std::to_string(asked.text.size()) + " bytes", "Longer papers are exhibits of their own"};
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  // Judged before anything is written: a note on nothing must leave no trace.
  IMPOUND_TRY(subject, noted_entry(*id, settings));
  IMPOUND_TRY(session, Session::open(settings, "note", invocation.clock, invocation.randomness));
  auto const noted = session->recorder().record(evidence::EntryDraft{
      "note.added", {{"subject", id->text()}, {"text", asked.text}}, subject.case_name(), {}, {}, who(settings), {}});
  auto const closed = session->close(noted ? "done" : "error");
  if (!noted) return noted.error();
  IMPOUND_CHECK(closed);
  say_if_due(*session, settings.timestamps, invocation.common.quiet);
  std::printf("noted  %s\n", noted.value().text().c_str());
  return ok();
}

}  // namespace

void add_note(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<NoteCommand>();
  CommandLine command = program.command("note", "adds a remark on an entry to the log", [options, &invocation] {
    invocation.chosen = [options, &invocation] {
      if (auto done = run(*options, invocation); !done) return tell(done.error());
      return ExitCode::done;
    };
  });
  command.option("ID", options->subject, "id of the entry, as `log` and `show` print it", CommandLine::Need::required);
  command.option("TEXT", options->text, "what is to be noted, at most 4,000 bytes", CommandLine::Need::required);
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
