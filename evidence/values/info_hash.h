// Which torrent: BEP 3's SHA-1 and BEP 52's SHA-256 of the info dict, either or both.
#pragma once

#include <optional>
#include <string>

#include "evidence/values/digest.h"

namespace impound {

using InfoHashV1 = Digest<struct InfoHashV1Tag, 20>;
using InfoHashV2 = Digest<struct InfoHashV2Tag, 32>;

struct InfoHashes {
  std::optional<InfoHashV1> v1;
  std::optional<InfoHashV2> v2;
  bool operator==(InfoHashes const&) const = default;
};

/// True when both name the same torrent by at least one hash they share.
inline bool same_torrent(InfoHashes const& a, InfoHashes const& b) {
  return (a.v1 && b.v1 && *a.v1 == *b.v1) || (a.v2 && b.v2 && *a.v2 == *b.v2);
}

/// "v1 <hex>", "v2 <hex>" or both, for messages.
std::string text(InfoHashes const& hashes);

}  // namespace impound
