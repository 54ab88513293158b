#include "fetchers/reading/worker/rights.h"

#include "evidence/system/worker_start.h"

namespace impound::fetchers {

SandboxRights reader_rights() {
  SandboxRights rights;
  rights.opens_files = false;
  rights.further_calls = {"sendto", "recvfrom"};  // send and recv on its line; it can make no other socket
  rights.other_user = agent_is_another_user();
  return rights;
}

}  // namespace impound::fetchers
