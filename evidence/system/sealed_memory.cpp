#include "evidence/system/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

namespace impound {

Result<Descriptor> sealed_memory(std::string_view bytes) {
  Descriptor memory{::memfd_create("impound-body", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory) return from_errno(errno, "cannot make memory to hand over", {});
  while (!bytes.empty()) {
    ssize_t const put = ::write(memory.number(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return from_errno(errno, "cannot fill memory to hand over", {});
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fcntl(memory.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    return from_errno(errno, "cannot seal memory to hand over", {});
  return memory;
}

}  // namespace impound
