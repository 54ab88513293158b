// SHA-256 and SHA-1 over OpenSSL's EVP. One object hashes one stream; it belongs to one thread at a time.
#pragma once

#include <memory>

#include "evidence/values/digest.h"
#include "evidence/values/info_hash.h"

namespace impound {

class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void add(Bytes bytes);
  /// The digest of all that was added. The stream starts again afterwards.
  Sha256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256 sha256(Bytes bytes);
Sha1 sha1(Bytes bytes);

}  // namespace impound
