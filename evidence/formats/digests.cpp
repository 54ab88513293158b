// The one file that calls OpenSSL's low-level hashes. They are marked deprecated since 3.0 in favour of EVP, which
// looks the algorithm up and takes memory for every message: half the time of a Merkle node. Both run the same code for
// the processor (SHA extensions where it has them).
#define OPENSSL_SUPPRESS_DEPRECATED
#include "evidence/formats/digests.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <new>
#include <type_traits>

#include "evidence/values/must.h"

namespace impound {

namespace {

template <class D>
struct Algorithm;

template <>
struct Algorithm<Sha256> {
  using State = SHA256_CTX;
  static int init(State* state) { return SHA256_Init(state); }
  static int update(State* state, void const* bytes, std::size_t count) { return SHA256_Update(state, bytes, count); }
  static int final(unsigned char* into, State* state) { return SHA256_Final(into, state); }
};
template <>
struct Algorithm<Sha1> {
  using State = SHA_CTX;
  static int init(State* state) { return SHA1_Init(state); }
  static int update(State* state, void const* bytes, std::size_t count) { return SHA1_Update(state, bytes, count); }
  static int final(unsigned char* into, State* state) { return SHA1_Final(into, state); }
};
template <>
struct Algorithm<Md5> {
  using State = MD5_CTX;
  static int init(State* state) { return MD5_Init(state); }
  static int update(State* state, void const* bytes, std::size_t count) { return MD5_Update(state, bytes, count); }
  static int final(unsigned char* into, State* state) { return MD5_Final(into, state); }
};

template <class D, class Storage>
typename Algorithm<D>::State* state_in(Storage& storage) {
  using State = typename Algorithm<D>::State;
  static_assert(sizeof(Storage) == sizeof(State) && std::is_trivially_copyable_v<State>);
  return std::launder(reinterpret_cast<State*>(storage.data()));
}

template <class Stream>
auto digest_of(Bytes bytes) {
  Stream stream;
  stream.add(bytes);
  return stream.finish();
}

}  // namespace

template <class D, std::size_t state_bytes>
DigestStream<D, state_bytes>::DigestStream() {
  new (state_.data()) typename Algorithm<D>::State;
  must(Algorithm<D>::init(state_in<D>(state_)) == 1);
}

template <class D, std::size_t state_bytes>
void DigestStream<D, state_bytes>::add(Bytes bytes) {
  must(Algorithm<D>::update(state_in<D>(state_), bytes.data(), bytes.size()) == 1);
}

template <class D, std::size_t state_bytes>
D DigestStream<D, state_bytes>::finish() {
  D digest;
  must(Algorithm<D>::final(reinterpret_cast<unsigned char*>(digest.bytes.data()), state_in<D>(state_)) == 1);
  must(Algorithm<D>::init(state_in<D>(state_)) == 1);
  return digest;
}

template class DigestStream<Sha256, 112>;
template class DigestStream<Sha1, 96>;
template class DigestStream<Md5, 92>;

Sha256 sha256(Bytes bytes) { return digest_of<Sha256Stream>(bytes); }
Sha1 sha1(Bytes bytes) { return digest_of<Sha1Stream>(bytes); }

}  // namespace impound
