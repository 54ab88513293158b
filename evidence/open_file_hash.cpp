#include "evidence/open_file_hash.h"

#include <algorithm>
#include <span>

#include "evidence/formats/digests.h"

namespace impound::evidence {

Result<HashedBytes> hash_open_file(DiskFile& file, std::uint64_t size, std::vector<std::byte>& buffer,
                                   std::function<bool()> const& stop) {
  Sha256Stream digest;
  HashedBytes hashed;
  while (hashed.size <= size) {
    if (stop && stop()) return Error{Code::cancelled, "interrupted", {}, {}};
    std::size_t const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - hashed.size + 1));
    IMPOUND_TRY(count, file.read(hashed.size, std::span{buffer}.first(wanted)));
    if (count == 0) break;
    digest.add(Bytes{buffer}.first(count));
    hashed.size += count;
  }
  hashed.sha256 = digest.finish();
  return hashed;
}

}  // namespace impound::evidence
