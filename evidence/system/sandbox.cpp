#include "evidence/system/sandbox.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>

#include "evidence/system/landlock.h"
#include "evidence/system/system_calls.h"

namespace impound {

namespace {

/// A second thread would stay outside of Landlock.
bool alone() {
  std::error_code error;
  std::filesystem::directory_iterator tasks{"/proc/self/task", error};
  if (error) return false;
  return std::distance(begin(tasks), end(tasks)) == 1;
}

/// A root worker without capabilities is held by permissions and by the kernel's checks like any other user.
Result<void> drop_capabilities(bool but_reading) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {};
  if (but_reading && ::geteuid() == 0) kept[0].effective = kept[0].permitted = 1u << CAP_DAC_READ_SEARCH;
  if (::syscall(SYS_capset, &header, kept) != 0) return from_errno(errno, "cannot give up capabilities", {});
  return ok();
}

Result<void> keep_memory_to_ourselves() {
  rlimit const no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) return from_errno(errno, "cannot forbid core dumps", {});
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return from_errno(errno, "cannot forbid core dumps", {});
  return ok();
}

}  // namespace

Result<int> enter_sandbox(SandboxRights const& rights, int landlock_abi_max) {
  if (!alone()) return Error{Code::refused, "a sandbox must be entered before the first thread", {}, {}};
  int const abi = std::min(landlock_abi(), landlock_abi_max);
  if (abi < 1 && !(rights.other_user && ::geteuid() != 0)) {
    return Error{Code::refused,
                 "this kernel has no Landlock: what parses foreign bytes would have all rights of this user",
                 {},
                 "Boot a kernel of 5.13 or newer with landlock among its security modules (lsm=landlock,…)"};
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return from_errno(errno, "cannot forbid new privileges", {});
  IMPOUND_CHECK(keep_memory_to_ourselves());
  IMPOUND_CHECK(drop_capabilities(rights.reads_as_root));
  if (abi >= 1) IMPOUND_CHECK(enter_landlock(rights, abi));
  IMPOUND_CHECK(allow_system_calls(rights));
  return abi;
}

}  // namespace impound
