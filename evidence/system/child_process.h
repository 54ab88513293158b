// A worker process: started without a shell, with nothing of ours but one socket, and gone when we are gone.
//
// The child gets exactly the program and the arguments named, its socket at descriptor 3, /dev/null as standard input
// and output, an empty environment but for PATH and LANG, a session of its own (a terminal's Ctrl-C reaches only us)
// and, through fchdir, a working folder that was opened before. Every other descriptor is closed. It is killed when the
// *thread* that started it ends (PR_SET_PDEATHSIG counts threads, not processes), so start it from a thread that lives
// as long as it shall. What it writes to standard error is kept as a bounded tail for the operator; it never blocks on
// it.
//
// One thread at a time. The destructor kills and reaps: no zombie, no orphan.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evidence/system/descriptor.h"
#include "evidence/values/result.h"

namespace impound {

/// Where the child finds its socket.
constexpr int child_socket = 3;

struct ChildPlan {
  std::string program;                 // a path; PATH is not searched
  std::vector<std::string> arguments;  // without argv[0], which is the program's path
  int working_folder = -1;             // an open folder, borrowed; -1: ours
};

/// How a child ended.
struct Ending {
  bool signalled = false;
  int number = 0;  // exit status, or the signal
  bool operator==(Ending const&) const = default;
};

/// "exit status 1", "signal 9 (Killed)".
std::string text(Ending const& ending);

class ChildProcess {
 public:
  /// Code::not_found or another of exec's errors when the program does not start. Our end of the socket is socket().
  static Result<std::unique_ptr<ChildProcess>> start(ChildPlan const& plan);
  ~ChildProcess();
  ChildProcess(ChildProcess const&) = delete;
  ChildProcess& operator=(ChildProcess const&) = delete;

  pid_t id() const { return id_; }
  /// Our end of the line: a non-blocking stream socket. May be taken away by moving it out.
  Descriptor& socket() { return socket_; }
  /// Readable when the child wrote to standard error; read it with drain(). -1 once the child closed it.
  int error_output() const { return error_output_.number(); }
  /// Takes what standard error holds by now.
  void drain();
  /// The last 4 KiB of standard error.
  std::string const& error_tail() const { return error_tail_; }

  /// How it ended, if it has; reaps it.
  std::optional<Ending> ended();
  /// Waits that long at most.
  std::optional<Ending> wait(std::chrono::milliseconds at_most);
  /// SIGKILL, and waits for the end.
  Ending kill();

 private:
  ChildProcess() = default;

  pid_t id_ = -1;
  Descriptor socket_;
  Descriptor error_output_;
  Descriptor process_;  // pidfd: waiting without a race and without a signal handler
  std::string error_tail_;
  std::optional<Ending> ending_;
};

}  // namespace impound
