// A leaf of the Merkle tree and the digest of an object are both 32 bytes, and never the same thing.
#include "evidence/values/digest.h"

bool same(impound::LeafHash const& leaf, impound::Sha256 const& object) {
#ifdef REFUSED
  return leaf == object;
#else
  return leaf.bytes == object.bytes;
#endif
}
