// A command's end of STATE/agent.sock: hands its order to the agent that holds the vault, and shows what that says.
// One thread.
#pragma once

#include <string>
#include <vector>

#include "agent/service/control_messages.h"
#include "agent/service/terminal.h"
#include "evidence/system/frames.h"
#include "evidence/values/result.h"

namespace impound::agent {

class ControlClient {
 public:
  /// By the first of the folders where an agent answers. `held`: the error to give when none does, Code::held, which
  /// names the holder; with the reason added where there is one.
  static Result<ControlClient> reach(std::vector<std::string> const& state_folders, ControlHello const& hello,
                                     Error const& held);

  /// The command that holds the vault, e.g. "watch".
  std::string const& holder() const { return holder_; }
  /// Waits until it is sent. Why the agent refused what was sent before, when it did; Code::held when it is gone.
  Result<void> send(ControlOrder const& order);
  /// Shows what is said until the order is done: its exit code, or the error that the agent gives. Code::held when it
  /// ends without a word; Code::cancelled as soon as `interrupt` is readable (-1 for none): the agent goes on.
  Result<int> finish(Terminal& terminal, int interrupt);

 private:
  explicit ControlClient(FrameLine line) : line_(std::move(line)) {}
  Result<void> put(ControlOrder const& order);
  Result<void> wait(short events, int interrupt, int timeout_ms);
  /// The next answer; waits at most so long (-1: for as long as it takes).
  Result<ControlAnswer> next(int interrupt, int timeout_ms);

  FrameLine line_;
  std::string holder_;
};

}  // namespace impound::agent
