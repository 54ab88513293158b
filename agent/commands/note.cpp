// impound note: an operator's remark on an entry, for good: it stands in the log as the entry does.
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/anchoring.h"
#include "agent/work/holder.h"
#include "agent/work/interrupt.h"
#include "agent/work/notes.h"
#include "agent/work/session.h"

namespace impound::agent {

namespace {

struct NoteCommand {
  std::string subject;
  std::string text;
};

Result<ExitCode> run(NoteCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  // Judged before anything is written: a note on nothing must leave no trace.
  IMPOUND_TRY(draft, note_on(settings, asked.subject, asked.text, who(settings)));
  auto opened = Session::open(settings, "note", invocation.clock, invocation.randomness);
  if (!opened && opened.error().code == Code::held) {
    Ordering const ordering{"note", invocation.common.quiet, false, invocation.interrupt.descriptor()};
    IMPOUND_TRY(exit, hand_over(settings, ordering, {NoteOrder{asked.subject, asked.text}}, opened.error()));
    return static_cast<ExitCode>(exit);
  }
  IMPOUND_TRY(session, std::move(opened));
  auto const noted = session->recorder().record(std::move(draft));
  auto const closed = session->close(noted ? "done" : "error");
  if (!noted) return noted.error();
  IMPOUND_CHECK(closed);
  say_if_due(*session, settings.timestamps, invocation.common.quiet);
  std::printf("noted  %s\n", noted.value().text().c_str());
  return ExitCode::done;
}

}  // namespace

void add_note(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<NoteCommand>();
  CommandLine command = program.command("note", "adds a remark on an entry to the log", [options, &invocation] {
    invocation.chosen = [options, &invocation] {
      auto const code = run(*options, invocation);
      return code ? code.value() : tell(code.error());
    };
  });
  command.option("ID", options->subject, "id of the entry, as `log` and `show` print it", CommandLine::Need::required);
  command.option("TEXT", options->text, "what is to be noted, at most 4,000 bytes", CommandLine::Need::required);
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
