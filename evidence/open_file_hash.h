// The digests of what an open file holds: the one loop that sealing, imports, working copies and the idle-time pass
// hash with.
//
// hash_open_file reads once and hashes SHA-256 alone. hash_open_file_thrice reads once as well and gives SHA-256, SHA-1
// and MD5: of a large file the caller's thread reads and hashes the first two while a second thread hashes MD5 over the
// same buffers, a ring of 2 MiB. MD5's own chain is then the limit (measured: 1.8 times one thread). Any thread that
// may read the file; an error is the disk's, or Code::cancelled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// What was read: at most one byte more than the size the file was to have, which tells that it is longer.
struct HashedBytes {
  Sha256 sha256;
  std::uint64_t size = 0;
};

/// The digests that case systems look files up by, beside SHA-256.
struct FurtherDigests {
  Sha1 sha1;
  Md5 md5;
  bool operator==(FurtherDigests const&) const = default;
};

struct HashedThrice {
  HashedBytes bytes;
  FurtherDigests further;
};

/// `buffer` is read into, a block at a time, and must not be empty. `stop` is asked between two blocks.
Result<HashedBytes> hash_open_file(DiskFile& file, std::uint64_t size, std::vector<std::byte>& buffer,
                                   std::function<bool()> const& stop = {});

Result<HashedThrice> hash_open_file_thrice(DiskFile& file, std::uint64_t size, std::function<bool()> const& stop = {});

/// The same three, a block after the other, for a pass that is put down and taken up again.
class ThreeDigests {
 public:
  void add(Bytes block);
  HashedThrice finish();
  std::uint64_t size() const { return size_; }

 private:
  Sha256Stream sha256_;
  Sha1Stream sha1_;
  Md5Stream md5_;
  std::uint64_t size_ = 0;
};

}  // namespace impound::evidence
