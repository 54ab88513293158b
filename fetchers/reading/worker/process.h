// impound-reader-worker as a whole: loads what lies in files, takes its place in the sandbox, then reads one page after
// the other from the descriptors it is handed (fetchers/reading/reader_messages.h), and ends when its line closes or a
// message makes no sense.
//
// It expects its socket at descriptor 3. Memory is bounded by RLIMIT_AS: a page that needs more is refused.
#pragma once

namespace impound::fetchers {

/// The exit status: 0 when the line closed, 1 otherwise, 2 started by hand, worker_refused_exit without a sandbox.
/// `landlock_abi_max`: for tests, which take an older kernel's.
int run_reader(int landlock_abi_max);

}  // namespace impound::fetchers
