#include "evidence/system/worker_start.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "evidence/system/child_process.h"

namespace impound {

bool started_by_agent(char const* program) {
  struct stat facts {};
  if (::fstat(child_socket, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
    std::fprintf(stderr, "%s: this program is started by impound, with a socket.\n", program);
    return false;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0077);
  ::fcntl(child_socket, F_SETFD, FD_CLOEXEC);
  return true;
}

bool agent_is_another_user() {
  ucred agent{};
  socklen_t size = sizeof agent;
  if (::getsockopt(child_socket, SOL_SOCKET, SO_PEERCRED, &agent, &size) != 0) return false;
  return agent.uid != ::geteuid();
}

bool confined(SandboxRights const& rights, int landlock_abi_max) {
  auto const entered = enter_sandbox(rights, landlock_abi_max);
  if (!entered) std::fputs(line(entered.error()).c_str(), stderr);  // a sentence of the agent's, so no line of its own
  return static_cast<bool>(entered);
}

}  // namespace impound
