// The first steps of a worker's main(), up to its sandbox: the same for every worker, whatever it reads.
//
// A worker is started by the agent (child_process.h) with its socket at descriptor 3, and enters its sandbox before its
// first thread and before it reads a byte. Failures are said on standard error, which the agent keeps. One thread.
#pragma once

#include "evidence/system/sandbox.h"

namespace impound {

/// The exit status of a worker that could not enter its sandbox; the end of its standard error is why. It has read
/// nothing then, and another try would end alike.
constexpr int worker_refused_exit = 3;
/// That of a worker started by hand.
constexpr int worker_by_hand_exit = 2;

/// Whether the agent started us: a socket is there. It is made ours alone, SIGPIPE is ignored, new files are 0600. If
/// not, says so.
bool started_by_agent(char const* program);

/// The socket's other end was made by the agent, and the kernel remembers as whom: SandboxRights::other_user.
bool agent_is_another_user();

/// Enters the sandbox; if that fails says why, and the worker must end with worker_refused_exit.
bool confined(SandboxRights const& rights, int landlock_abi_max);

}  // namespace impound
