// What a command is: it adds itself to the command line and, when chosen, leaves its exit code in the invocation.
// One file a command; none includes another.
#pragma once

#include <functional>

#include "agent/exit_code.h"
#include "agent/settings/options.h"

namespace impound {
class Clock;
class Randomness;
}  // namespace impound

namespace impound::agent {

class Interrupt;

/// What main hands to every command.
struct Invocation {
  Clock& clock;
  Randomness& randomness;
  Interrupt& interrupt;
  CommonOptions common{};
  std::function<ExitCode()> chosen{};  // set by the command that the line names
};

void add_init(ProgramLine& program, Invocation& invocation);
void add_fetch(ProgramLine& program, Invocation& invocation);
void add_watch(ProgramLine& program, Invocation& invocation);
void add_extract(ProgramLine& program, Invocation& invocation);
void add_status(ProgramLine& program, Invocation& invocation);
void add_log(ProgramLine& program, Invocation& invocation);
void add_show(ProgramLine& program, Invocation& invocation);
void add_note(ProgramLine& program, Invocation& invocation);
void add_jobs(ProgramLine& program, Invocation& invocation);
void add_reindex(ProgramLine& program, Invocation& invocation);
void add_timestamp(ProgramLine& program, Invocation& invocation);
void add_export(ProgramLine& program, Invocation& invocation);
void add_verify(ProgramLine& program, Invocation& invocation);
void add_import(ProgramLine& program, Invocation& invocation);
void add_case(ProgramLine& program, Invocation& invocation);
void add_checkout(ProgramLine& program, Invocation& invocation);
void add_key(ProgramLine& program, Invocation& invocation);

/// Writes the error as at most 4 lines on stderr and gives its exit code.
ExitCode tell(Error const& error);

}  // namespace impound::agent
