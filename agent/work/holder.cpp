#include "agent/work/holder.h"

#include <unistd.h>

#include "agent/work/session.h"
#include "evidence/vault.h"

namespace impound::agent {

Result<ControlClient> reach_holder(Settings const& settings, Ordering const& ordering, Error const& held) {
  auto const vault = evidence::Vault::open_for_reading(vault_folder(settings));
  if (!vault) return held;
  // Held by the writer of a copy: nothing of this vault may be ordered there.
  if (evidence::Vault::open_for_writing(vault_folder(settings))) return held;
  ControlHello hello;
  hello.command = ordering.command;
  hello.operator_name = settings.operator_name;
  hello.json = ordering.json;
  hello.columns = ::isatty(STDERR_FILENO) == 1 && !ordering.quiet ? Terminal{ordering.quiet}.columns() : 0;
  evidence::VaultIdentity const& identity = vault.value()->identity();
  return ControlClient::reach({state_folder(identity), service_state_folder(identity)}, hello, held);
}

Result<int> hand_over(Settings const& settings, Ordering const& ordering, std::vector<ControlOrder> const& orders,
                      Error const& held) {
  IMPOUND_TRY(line, reach_holder(settings, ordering, held));
  Terminal terminal{ordering.quiet};
  for (ControlOrder const& order : orders) IMPOUND_CHECK(line.send(order));
  return line.finish(terminal, ordering.interrupt);
}

}  // namespace impound::agent
