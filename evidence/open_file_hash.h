// The SHA-256 of what an open file holds: the one loop that sealing, imports and working copies hash with.
// Any thread that may read the file; an error is the disk's, or Code::cancelled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// What was read: at most one byte more than the size the file was to have, which tells that it is longer.
struct HashedBytes {
  Sha256 sha256;
  std::uint64_t size = 0;
};

/// `buffer` is read into, a block at a time, and must not be empty. `stop` is asked between two blocks.
Result<HashedBytes> hash_open_file(DiskFile& file, std::uint64_t size, std::vector<std::byte>& buffer,
                                   std::function<bool()> const& stop = {});

}  // namespace impound::evidence
