// SHA-256, SHA-1 and MD5 of streams. One object hashes one stream; it belongs to one thread at a time. A stream lives
// on the stack and asks for no memory: the tree of a log hashes millions of short messages.
#pragma once

#include <array>
#include <cstddef>

#include "evidence/values/digest.h"

namespace impound {

/// `state_bytes` is the size of OpenSSL's own state; digests.cpp holds it against the real one.
template <class D, std::size_t state_bytes>
class DigestStream {
 public:
  DigestStream();
  void add(Bytes bytes);
  /// The digest of all that was added. The stream starts again afterwards.
  D finish();

 private:
  alignas(std::max_align_t) std::array<std::byte, state_bytes> state_;
};

using Sha256Stream = DigestStream<Sha256, 112>;
using Sha1Stream = DigestStream<Sha1, 96>;
using Md5Stream = DigestStream<Md5, 92>;

Sha256 sha256(Bytes bytes);
Sha1 sha1(Bytes bytes);

}  // namespace impound
