#include "agent/commands/command.h"

#include <cstdio>

#include "agent/service/terminal.h"
#include "agent/work/session.h"

namespace impound::agent {

ExitCode tell(Error const& error) {
  std::fprintf(stderr, "impound: %s\n", shown(error.what, 400).c_str());
  if (!error.where.empty()) std::fprintf(stderr, "  where: %s\n", shown(error.where, 400).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", shown(error.hint, 400).c_str());
  return exit_code_of(error);
}

Error with_init_hint(Error error, Settings const& settings) {
  if (error.code != Code::not_found || error.where.rfind(vault_folder(settings), 0) != 0) return error;
  std::string const folder = vault_folder(settings);
  return Error{Code::usage, "there is no vault", folder, "Make one: impound init --vault " + folder + " --origin NAME"};
}

}  // namespace impound::agent
