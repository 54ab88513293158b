// What a command does when another process holds the vault: it orders there, by the agent's socket.
#pragma once

#include <string>
#include <vector>

#include "agent/service/control_client.h"
#include "agent/service/terminal.h"
#include "agent/settings/settings.h"
#include "evidence/values/result.h"

namespace impound::agent {

/// How a command's order is told and shown.
struct Ordering {
  std::string command;  // "note"
  bool quiet = false;
  bool json = false;
  int interrupt = -1;
};

/// The line to who holds the vault, for a command that orders later. Code::held, as in hand_over.
Result<ControlClient> reach_holder(Settings const& settings, Ordering const& ordering, Error const& held);

/// Hands the orders over and shows what is said until they are done: the exit code. `held`: Session::open's error,
/// given back when the holder does not answer.
Result<int> hand_over(Settings const& settings, Ordering const& ordering, std::vector<ControlOrder> const& orders,
                      Error const& held);

}  // namespace impound::agent
