#include "evidence/system/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace impound {

namespace {

constexpr std::size_t error_tail_bytes_max = 4'096;

/// Everything the child touches between fork and exec, made ready before: afterwards only system calls are safe.
struct Prepared {
  char const* program;
  char* const* arguments;
  char* const* environment;
  int null;
  int socket;
  int error_output;
  int status;  // exec's errno goes here; closed by a successful exec
  int working_folder;
  pid_t parent;
};

[[noreturn]] void give_up(int status) {
  int const number = errno;
  [[maybe_unused]] auto written = ::write(status, &number, sizeof number);
  ::_exit(127);
}

/// In the child. Async-signal-safe calls only: other threads of the parent may have held any lock at fork.
[[noreturn]] void become(Prepared const& with) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(with.status);
  // The parent may have died between fork and prctl: then no signal will ever come.
  if (::getppid() != with.parent) ::_exit(127);
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2}) ::signal(number, SIG_DFL);
  if (with.working_folder >= 0 && ::fchdir(with.working_folder) != 0) give_up(with.status);
  // All of these are above 9 (start() saw to it), so no dup2 hits one still needed.
  if (::dup2(with.null, 0) < 0 || ::dup2(with.null, 1) < 0 || ::dup2(with.error_output, 2) < 0 ||
      ::dup2(with.socket, child_socket) < 0 || ::dup2(with.status, child_socket + 1) < 0) {
    give_up(with.status);
  }
  int const status = child_socket + 1;
  if (::fcntl(status, F_SETFD, FD_CLOEXEC) != 0) give_up(status);
  if (::close_range(child_socket + 2, ~0U, 0) != 0) give_up(status);
  ::execve(with.program, with.arguments, with.environment);
  give_up(status);
}

/// The same open file at a number above 9, closed on exec.
Result<Descriptor> out_of_the_way(int number) {
  Descriptor high{::fcntl(number, F_DUPFD_CLOEXEC, 10)};
  if (!high) return from_errno(errno, "cannot prepare a worker's descriptors", {});
  return high;
}

/// Waits for exec: 0 when it went well, else its errno.
int exec_errno(int status) {
  int number = 0;
  ssize_t got = 0;
  do {
    got = ::read(status, &number, sizeof number);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof number) ? number : 0;
}

Ending ending_of(int status) {
  if (WIFSIGNALED(status)) return {true, WTERMSIG(status)};
  return {false, WEXITSTATUS(status)};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& one : texts) list.push_back(one.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

std::string text(Ending const& ending) {
  if (!ending.signalled) return "exit status " + std::to_string(ending.number);
  return "signal " + std::to_string(ending.number) + " (" + ::strsignal(ending.number) + ")";
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(ChildPlan const& plan) {
  std::array<int, 2> line{};
  std::array<int, 2> errors{};
  std::array<int, 2> status{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line.data()) != 0) {
    return from_errno(errno, "cannot make a worker's socket", plan.program);
  }
  Descriptor ours{line[0]};
  Descriptor theirs{line[1]};
  // Both ends do not block: a worker that writes more than we read loses words, never time.
  if (::pipe2(errors.data(), O_CLOEXEC | O_NONBLOCK) != 0) return from_errno(errno, "cannot make a pipe", plan.program);
  Descriptor error_read{errors[0]};
  Descriptor error_write{errors[1]};
  if (::pipe2(status.data(), O_CLOEXEC) != 0) return from_errno(errno, "cannot make a pipe", plan.program);
  Descriptor status_read{status[0]};
  Descriptor status_write{status[1]};
  Descriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null) return from_errno(errno, "cannot open", "/dev/null");
  IMPOUND_TRY(high_socket, out_of_the_way(theirs.number()));
  IMPOUND_TRY(high_errors, out_of_the_way(error_write.number()));
  IMPOUND_TRY(high_status, out_of_the_way(status_write.number()));
  IMPOUND_TRY(high_null, out_of_the_way(null.number()));
  Descriptor high_folder;
  if (plan.working_folder >= 0) {
    IMPOUND_TRY(folder, out_of_the_way(plan.working_folder));
    high_folder = std::move(folder);
  }
  ::fcntl(ours.number(), F_SETFL, O_NONBLOCK);

  std::vector<std::string> arguments{plan.program};
  arguments.insert(arguments.end(), plan.arguments.begin(), plan.arguments.end());
  std::vector<std::string> environment{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
  auto argument_list = pointers(arguments);
  auto environment_list = pointers(environment);
  Prepared const prepared{plan.program.c_str(), argument_list.data(), environment_list.data(),
                          high_null.number(),   high_socket.number(), high_errors.number(),
                          high_status.number(), high_folder.number(), ::getpid()};
  pid_t const id = ::fork();
  if (id < 0) return from_errno(errno, "cannot start a worker", plan.program);
  if (id == 0) become(prepared);

  status_write.reset();
  high_status.reset();
  std::unique_ptr<ChildProcess> child{new ChildProcess};
  child->id_ = id;
  child->socket_ = std::move(ours);
  child->error_output_ = std::move(error_read);
  child->process_ = Descriptor{static_cast<int>(::syscall(SYS_pidfd_open, id, 0))};
  int const number = exec_errno(status_read.number());
  if (number != 0) {
    child->kill();
    return from_errno(number, "cannot start the worker program", plan.program);
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (id_ > 0 && !ending_) kill();
}

void ChildProcess::drain() {
  if (!error_output_) return;
  std::array<char, 4096> part;
  // Bounded: a worker that writes without end does not keep us here.
  for (int round = 0; round < 64; ++round) {
    ssize_t const got = ::read(error_output_.number(), part.data(), part.size());
    if (got == 0) error_output_.reset();  // closed by the child: a poll on it would never wait again
    if (got <= 0) return;
    error_tail_.append(part.data(), static_cast<std::size_t>(got));
    if (error_tail_.size() > error_tail_bytes_max) {
      error_tail_.erase(0, error_tail_.size() - error_tail_bytes_max);
    }
  }
}

std::optional<Ending> ChildProcess::ended() {
  if (ending_) return ending_;
  int status = 0;
  pid_t const got = ::waitpid(id_, &status, WNOHANG);
  if (got == id_) {
    drain();
    ending_ = ending_of(status);
  }
  return ending_;
}

std::optional<Ending> ChildProcess::wait(std::chrono::milliseconds at_most) {
  auto const until = std::chrono::steady_clock::now() + at_most;
  while (!ended()) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    drain();
    pollfd process{process_.number(), POLLIN, 0};
    auto const wait_ms = std::min<std::int64_t>(left.count(), 60'000);
    ::poll(&process, process_ ? 1 : 0, static_cast<int>(process_ ? wait_ms : std::min<std::int64_t>(wait_ms, 20)));
  }
  return ending_;
}

Ending ChildProcess::kill() {
  if (ended()) return *ending_;
  ::kill(id_, SIGKILL);
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(id_, &status, 0);
  } while (got < 0 && errno == EINTR);
  drain();
  ending_ = got == id_ ? ending_of(status) : Ending{true, SIGKILL};
  return *ending_;
}

}  // namespace impound
