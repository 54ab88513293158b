#include "agent/commands/command.h"

#include <cstdio>

#include "agent/service/terminal.h"

namespace impound::agent {

ExitCode tell(Error const& error) {
  std::fprintf(stderr, "impound: %s\n", shown(error.what, 400).c_str());
  if (!error.where.empty()) std::fprintf(stderr, "  where: %s\n", shown(error.where, 400).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", shown(error.hint, 400).c_str());
  return exit_code_of(error);
}

}  // namespace impound::agent
