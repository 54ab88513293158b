// SHA-256 of many messages side by side. One message is a chain of blocks that a processor cannot speed up; the vector
// units of x86-64 take 8 or 16 chains at once, three times as fast as the SHA instructions take one. By Intel's
// multi-buffer library where the build found it, else by OpenSSL, one after the other. Any thread; a thread's first
// call sets up 50 KiB for it and checks the lanes against OpenSSL: lanes that fail are not used.
#pragma once

#include <cstddef>
#include <span>

#include "evidence/values/digest.h"

namespace impound {

/// Best handed over together; more of them go through just as well.
inline constexpr std::size_t digest_lanes = 16;

/// `into` is as long as `messages`, which should not differ much in size: the longest holds up the others.
void sha256_each(std::span<Bytes const> messages, std::span<Sha256> into);

}  // namespace impound
