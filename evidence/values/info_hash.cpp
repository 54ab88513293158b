#include "evidence/values/info_hash.h"

#include "evidence/formats/hex.h"

namespace impound {

std::string text(InfoHashes const& hashes) {
  std::string said;
  if (hashes.v1) said = "v1 " + hex(*hashes.v1);
  if (hashes.v2) said += (said.empty() ? "v2 " : " v2 ") + hex(*hashes.v2);
  return said.empty() ? "no info-hash" : said;
}

}  // namespace impound
