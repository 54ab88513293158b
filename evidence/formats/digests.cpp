#include "evidence/formats/digests.h"

#include <openssl/evp.h>

#include "evidence/values/must.h"

namespace impound {

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  must(state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::add(Bytes bytes) {
  must(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Sha256 Sha256Stream::finish() {
  Sha256 digest;
  must(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.bytes.data()), nullptr) == 1);
  must(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
  return digest;
}

namespace {

template <class D>
D digest_of(Bytes bytes, EVP_MD const* algorithm) {
  D digest;
  must(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.bytes.data()), nullptr, algorithm,
                  nullptr) == 1);
  return digest;
}

}  // namespace

Sha256 sha256(Bytes bytes) { return digest_of<Sha256>(bytes, EVP_sha256()); }
Sha1 sha1(Bytes bytes) { return digest_of<Sha1>(bytes, EVP_sha1()); }

}  // namespace impound
