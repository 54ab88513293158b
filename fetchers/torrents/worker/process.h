// impound-swarm-worker as a whole: takes its place in the sandbox, then reads messages
// (fetchers/torrents/swarm_messages.h), does what they say, and ends when the socket closes, when it is told to stop,
// when a message makes no sense, or when payload was sent.
//
// It expects its socket at descriptor 3 and its staging folder as working folder. A worker that takes another's staging
// folder waits until that one is gone.
#pragma once

namespace impound::fetchers {

/// The exit status: 0 told to end, 1 otherwise, 2 started by hand, worker_refused_exit without a sandbox.
/// `landlock_abi_max`: for tests, which take an older kernel's.
int run_worker(int landlock_abi_max);

}  // namespace impound::fetchers
