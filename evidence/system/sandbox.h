// What a process that reads foreign bytes may still do: entered once, early, and never left.
//
// Whoever takes such a process over finds the folders and files named here and nothing else: no other file of this
// machine by whatever name, no new program, no other process, no AF_UNIX socket (the agent's trusts our user), no
// capability. Landlock decides about paths, seccomp about system calls; each closes what the other leaves open:
//
//     Landlock does not see                                   hence not in the seccomp list
//     truncate by path below ABI 3, chmod, utimes, xattrs     their calls; what goes by a descriptor we may write,
//     stays hard links made before a file is moved away             link, linkat, symlink, and rename unless asked for
//     AF_UNIX connect, kill below ABI 6, UDP                  socket(AF_UNIX), kill; without `network` any socket
//
// A call that is not in the list says ENOSYS (glibc falls back, a newer glibc keeps working). What nobody calls by
// accident ends the process: execve, ptrace, process_vm_*, io_uring, bpf, mount, open_by_handle_at and the like.
//
// Landlock holds for the calling thread and those it starts later, never for its siblings: enter before the first
// thread exists. Not covered: names and sizes of files (stat answers), kernel bugs, covert channels, descriptors that
// were open before, which keep their rights. Sources: landlock(7), seccomp(2), Documentation/userspace-api/landlock.rst
// of Linux 6.12.
#pragma once

#include <string>
#include <vector>

#include "evidence/values/result.h"

namespace impound {

struct SandboxRights {
  struct Folder {
    int descriptor = -1;  // an open folder, borrowed; its right is what it names now, whatever its name becomes
    bool writable = false;
  };
  std::vector<Folder> folders;
  /// Files and folders (then all beneath) by path, to be read. What does not exist is passed over. A file is meant as
  /// it is now: when another takes its name, that one is not readable.
  std::vector<std::string> readable;
  /// Files may be opened at all, as far as the places above go. Without it there are the descriptors that are open, or
  /// handed over, and no others: the calls themselves are gone.
  bool opens_files = true;
  /// As root: the places above may be read whoever owns them (CAP_DAC_READ_SEARCH stays, and Landlock holds for it,
  /// too).
  bool reads_as_root = false;
  /// Sockets of IPv4 and IPv6, and a look at the machine's interfaces.
  bool network = false;
  /// System calls beside the list, by name, e.g. "renameat".
  std::vector<std::string> further_calls;
  /// The process runs as another user than the one whose files must be kept from it, so permissions do on a kernel
  /// without Landlock. Never true for uid 0.
  bool other_user = false;
};

/// As new as the kernel has it.
constexpr int newest_landlock = 1'000;

/// The Landlock ABI of this kernel; 0 where there is none, or where it is switched off.
int landlock_abi();

/// Confines this process for good: no new privileges, no core dump, no capability, Landlock, seccomp. The Landlock ABI
/// in force (1 and up), or 0: none, which is accepted for another user only. After an error the process must end: it
/// may be half confined. `landlock_abi_max` lets tests take an older kernel's ABI.
///
/// Errors: Code::refused without Landlock under the same user, or when there is more than one thread; Code::usage for a
/// call that does not exist; otherwise what the kernel said.
Result<int> enter_sandbox(SandboxRights const& rights, int landlock_abi_max = newest_landlock);

}  // namespace impound
