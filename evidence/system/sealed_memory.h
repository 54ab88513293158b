// Bytes in memory behind a descriptor, to be handed to another process: nobody can change, grow or cut them any more
// (memfd_create(2), F_SEAL_WRITE and its kin), so who hands it over need not watch what happens to it. Any thread.
#pragma once

#include <string_view>

#include "evidence/system/descriptor.h"
#include "evidence/values/result.h"

namespace impound {

/// What the kernel said when there is no memory for it.
Result<Descriptor> sealed_memory(std::string_view bytes);

}  // namespace impound
