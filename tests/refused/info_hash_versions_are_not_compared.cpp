// An info-hash of version 1 says nothing about one of version 2.
#include "evidence/values/info_hash.h"

bool same(impound::InfoHashV1 const& v1, impound::InfoHashV2 const& v2, impound::InfoHashes const& hashes) {
#ifdef REFUSED
  return v1 == v2;
#else
  return hashes.v1 == v1 && hashes.v2 == v2;
#endif
}
