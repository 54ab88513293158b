// impound case: opens and closes cases, puts holds on them, and says what belongs to them. Each is an entry for good.
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/anchoring.h"
#include "agent/work/case_act.h"
#include "agent/work/holder.h"
#include "agent/work/interrupt.h"
#include "agent/work/session.h"
#include "evidence/cases.h"

namespace impound::agent {

using evidence::CaseState;

namespace {

/// The options are the order's fields, whichever act reads them.
struct CaseCommand {
  CaseOrder order;
  bool json = false;
};

/// Judged, then logged by who holds the vault: this process, or the one that does.
Result<ExitCode> act(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(one, CaseAct::parse(asked.order));
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_CHECK(one.judge(settings));
  auto opened = Session::open(settings, "case", invocation.clock, invocation.randomness);
  if (!opened && opened.error().code == Code::held) {
    Ordering const ordering{"case", invocation.common.quiet, false, invocation.interrupt.descriptor()};
    IMPOUND_TRY(exit, hand_over(settings, ordering, {asked.order}, opened.error()));
    return static_cast<ExitCode>(exit);
  }
  IMPOUND_TRY(session, std::move(opened));
  Result<void> done = one.judge(settings);
  if (done)
    if (auto recorded = session->recorder().record(one.draft(who(settings))); !recorded)
      done = std::move(recorded).error();
  auto const closed = session->close(done ? "done" : "error");
  IMPOUND_CHECK(done);
  say_if_due(*session, settings.timestamps, invocation.common.quiet);
  IMPOUND_CHECK(closed);
  std::printf("%s\n", one.told().c_str());
  return ExitCode::done;
}

char const* word(CaseState const& state) { return !state.opened ? "unopened" : state.closed ? "closed" : "open"; }

Result<ExitCode> list(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  CasesRead read;
  IMPOUND_CHECK(read.read_on(settings));
  for (auto const& [name, state] : read.cases().by_name()) {
    if (asked.json) {
      Json one{{"case", name},
               {"state", word(state)},
               {"hold", state.held},
               {"entries", state.entries},
               {"exhibits", state.exhibits},
               {"assigned", state.assigned}};
      if (!state.title.empty()) one["title"] = state.title;
      if (!state.authority.empty()) one["authority"] = state.authority;
      print_json(one);
      continue;
    }
    std::printf("%-20s %-8s %-5s %6llu entries %6llu exhibits %4llu assigned  %s\n", name.c_str(), word(state),
                state.held ? "HOLD" : "", static_cast<unsigned long long>(state.entries),
                static_cast<unsigned long long>(state.exhibits), static_cast<unsigned long long>(state.assigned),
                shown(state.title, 60).c_str());
  }
  return ExitCode::done;
}

using Run = Result<ExitCode> (*)(CaseCommand const&, Invocation&);

CommandLine add(ProgramLine& program, Invocation& invocation, std::shared_ptr<CaseCommand> const& asked,
                std::string const& name, std::string const& help, Run run) {
  return program.command("case", name, help, [asked, name, run, &invocation] {
    asked->order.act = name;
    invocation.chosen = [asked, run, &invocation] {
      auto const code = run(*asked, invocation);
      return code ? code.value() : tell(code.error());
    };
  });
}

}  // namespace

void add_case(ProgramLine& program, Invocation& invocation) {
  constexpr auto required = CommandLine::Need::required;
  auto const asked = std::make_shared<CaseCommand>();
  program.group("case", "opens, holds and closes cases, and says what belongs to them");

  CommandLine opened = add(program, invocation, asked, "open", "opens a case: once for each name", act);
  opened.option("NAME", asked->order.name, "[a-z0-9][a-z0-9._-]*, at most 64 characters", required);
  opened.option("--title", asked->order.title, "what the case is about");
  opened.option("--authority", asked->order.authority, "on whose order evidence is kept");

  CommandLine listed = add(program, invocation, asked, "list", "every case with its state, hold and counts", list);
  listed.flag("--json", asked->json,
              "one object a line: case, state (open, closed, unopened), hold, entries, exhibits, assigned, title?, "
              "authority?");

  CommandLine assigned = add(program, invocation, asked, "assign", "says that something belongs to a case", act);
  assigned.option("SUBJECT", asked->order.subject, "id of an entry, SHA-256 of an exhibit, or info-hash", required);
  assigned.option("NAME", asked->order.name, "an open case", required);

  CommandLine closed =
      add(program, invocation, asked, "close", "closes a case: nothing is assigned to it any more", act);
  CommandLine held = add(program, invocation, asked, "hold", "nothing of the case may be erased, until released", act);
  CommandLine released = add(program, invocation, asked, "release", "ends the hold on a case", act);
  for (CommandLine* command : {&closed, &held, &released})
    command->option("NAME", asked->order.name, "a case that was opened", required);
  for (CommandLine* command : {&assigned, &closed, &held, &released})
    command->option("--why", asked->order.why, "the reason, for the log");
  for (CommandLine* command : {&opened, &listed, &assigned, &closed, &held, &released})
    add_common_options(*command, invocation.common);
}

}  // namespace impound::agent
