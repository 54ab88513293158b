#include "evidence/system/system_calls.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>

namespace impound {

namespace {

using Names = std::initializer_list<char const*>;
using Comparisons = std::initializer_list<scmp_arg_cmp>;

// Memory, threads, time, and descriptors that are open. `kill` is never here.
constexpr Names base_calls{"read",
                           "write",
                           "readv",
                           "writev",
                           "pread64",
                           "pwrite64",
                           "close",
                           "fstat",
                           "newfstatat",
                           "lseek",
                           "munmap",
                           "mremap",
                           "brk",
                           "madvise",
                           "futex",
                           "rt_sigaction",
                           "rt_sigprocmask",
                           "rt_sigreturn",
                           "sigaltstack",
                           "clock_gettime",
                           "clock_getres",
                           "clock_nanosleep",
                           "nanosleep",
                           "gettimeofday",
                           "time",
                           "getpid",
                           "gettid",
                           "getrandom",
                           "sched_yield",
                           "sched_getaffinity",
                           "restart_syscall",
                           "set_robust_list",
                           "rseq",
                           "exit",
                           "exit_group",
                           "poll",
                           "ppoll",
                           "recvmsg",
                           "sendmsg",
                           "getrusage",
                           "uname",
                           "sysinfo",

                           "getuid",
                           "geteuid",
                           "getgid",
                           "getegid",
                           "dup",
                           "eventfd2",
                           "pipe2"};

constexpr Names reading_calls{"openat", "openat2", "stat",    "lstat",     "access", "getdents64",
                              "getcwd", "statfs",  "fstatfs", "fadvise64", "preadv"};

// truncate, chmod and the like go by a path and are not here; ftruncate needs a descriptor that may write.
constexpr Names writing_calls{"mkdir",     "mkdirat",   "unlink",          "unlinkat", "rmdir",    "pwritev",
                              "ftruncate", "fallocate", "sync_file_range", "fsync",    "fdatasync"};

constexpr Names network_calls{"bind",        "connect",     "listen",      "accept",         "accept4",
                              "getsockname", "getpeername", "getsockopt",  "setsockopt",     "recvfrom",
                              "sendto",      "sendmmsg",    "recvmmsg",    "shutdown",       "epoll_create1",
                              "epoll_ctl",   "epoll_wait",  "epoll_pwait", "timerfd_create", "timerfd_settime"};

// Nobody asks for these by accident, nothing of ours falls back from them.
constexpr Names deadly_calls{"execve",
                             "execveat",
                             "ptrace",
                             "process_vm_readv",
                             "process_vm_writev",
                             "io_uring_setup",
                             "io_uring_enter",
                             "io_uring_register",
                             "bpf",
                             "mount",
                             "umount2",
                             "pivot_root",
                             "move_mount",
                             "fsopen",
                             "open_tree",
                             "open_by_handle_at",
                             "kexec_load",
                             "kexec_file_load",
                             "init_module",
                             "finit_module",
                             "delete_module",
                             "userfaultfd",
                             "perf_event_open",
                             "pidfd_getfd"};

scmp_arg_cmp is(unsigned argument, std::uint64_t value) {
  // The kernel reads an int; whatever stands in the upper half does not matter to it.
  return {argument, SCMP_CMP_MASKED_EQ, 0xffff'ffff, value};
}
scmp_arg_cmp without_bits(unsigned argument, std::uint64_t bits) { return {argument, SCMP_CMP_MASKED_EQ, bits, 0}; }
scmp_arg_cmp with_bits(unsigned argument, std::uint64_t bits) { return {argument, SCMP_CMP_MASKED_EQ, bits, bits}; }

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &::seccomp_release) {}

  void allow(char const* name, Comparisons only_if = {}) { rule(SCMP_ACT_ALLOW, name, only_if); }
  void allow(Names names) {
    for (char const* name : names) allow(name);
  }
  void refuse(int number, char const* name, Comparisons only_if) {
    rule(SCMP_ACT_ERRNO(static_cast<unsigned>(number)), name, only_if);
  }
  void end_for(Names names) {
    for (char const* name : names) rule(SCMP_ACT_KILL_PROCESS, name, {});
  }

  Result<void> load() {
    if (!context_) return Error{Code::io, "cannot make a seccomp filter", {}, {}};
    note(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1));
    note(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    if (error_ == 0) note(::seccomp_load(context_.get()));
    if (error_ != 0) return from_errno(-error_, "cannot enter seccomp", {});
    return ok();
  }

 private:
  void rule(std::uint32_t action, char const* name, Comparisons only_if) {
    int const number = ::seccomp_syscall_resolve_name(name);
    if (!context_ || number < 0) return;  // a call that this processor never had, e.g. stat on arm64
    note(::seccomp_rule_add_array(context_.get(), action, number, static_cast<unsigned>(only_if.size()),
                                  only_if.begin()));
  }
  void note(int result) {
    if (result < 0 && error_ == 0) error_ = result;
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;
};

void allow_with_conditions(Filter& filter) {
  // Threads, no processes. clone3 has its flags behind a pointer: it stays ENOSYS, and glibc falls back to clone.
  filter.allow("clone", {with_bits(0, CLONE_THREAD)});
  for (int const command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETLK, F_SETLK}) {
    filter.allow("fcntl", {is(1, static_cast<unsigned>(command))});  // no lease, no owner for signals
  }
  filter.allow("ioctl", {is(1, FIONBIO)});
  filter.allow("ioctl", {is(1, FIONREAD)});
  filter.allow("ioctl", {is(1, TCGETS)});                              // isatty
  filter.allow("tgkill", {is(0, static_cast<unsigned>(::getpid()))});  // abort
  filter.allow("prctl", {is(0, PR_SET_NAME)});
  filter.allow("prlimit64", {is(0, 0)});  // its own: another process of this user could be starved or ended by it
}

/// Memory, but none that can be executed: no code comes in after this.
void allow_memory(Filter& filter) {
  filter.allow("mmap", {without_bits(2, PROT_EXEC)});
  filter.allow("mprotect", {without_bits(2, PROT_EXEC)});
}

void allow_network(Filter& filter) {
  filter.allow(network_calls);
  for (int const family : {AF_INET, AF_INET6}) filter.allow("socket", {is(0, static_cast<unsigned>(family))});
  // NETLINK_ROUTE: libtorrent lists the interfaces (refused, it dials nobody), getaddrinfo looks for IPv6.
  filter.allow("socket", {is(0, AF_NETLINK), is(2, 0)});
  // A pair of libcurl's, to be woken by. Connected from the beginning, so it can be sent nowhere else, unlike a pair of
  // datagram sockets.
  filter.allow("socketpair", {is(0, AF_UNIX), is(1, SOCK_STREAM)});
  // glibc asks for it (nscd, if_nametoindex) and takes a refusal.
  filter.refuse(EAFNOSUPPORT, "socket", {is(0, AF_UNIX)});
  for (auto const request : {SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFMTU, SIOCGIFFLAGS, SIOCGIFHWADDR}) {
    filter.allow("ioctl", {is(1, static_cast<unsigned>(request))});
  }
}

}  // namespace

Result<void> allow_system_calls(SandboxRights const& rights) {
  bool const writes =
      std::any_of(rights.folders.begin(), rights.folders.end(), [](auto const& folder) { return folder.writable; });
  Filter filter;
  filter.allow(base_calls);
  allow_memory(filter);
  allow_with_conditions(filter);
  if (rights.opens_files) filter.allow(reading_calls);
  if (writes) filter.allow(writing_calls);
  if (rights.network) allow_network(filter);
  for (std::string const& name : rights.further_calls) {
    if (::seccomp_syscall_resolve_name(name.c_str()) == __NR_SCMP_ERROR) {
      return Error{Code::usage, "no system call has this name", name, {}};
    }
    filter.allow(name.c_str());
  }
  filter.end_for(deadly_calls);
  return filter.load();
}

}  // namespace impound
