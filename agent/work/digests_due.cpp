#include "agent/work/digests_due.h"

#include <algorithm>

#include "agent/work/past.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

namespace {

/// The agent's own texts are looked up in no list of known files.
bool from_outside(std::string_view role) {
  return role == "payload" || role == "payload_part" || role == "torrent" || role == "info_dict" ||
         role == "torrent_file";
}

}  // namespace

void DigestsDue::take(std::string_view kind, Json const& body, EntryId const& id, std::optional<EntryId> const& of) {
  bool const sealed = kind == "exhibit.sealed";
  bool const erased = kind == "exhibit.erased";
  if (!sealed && !erased && kind != "exhibit.digested") return;
  auto const digest = digest_from_hex<Sha256>(text_field(body, "sha256").value_or(""));
  if (!digest) return;
  if (erased) {
    objects.erase(*digest);  // gone by order; when it is sealed again later it waits again
    return;
  }
  if (sealed) {
    if (body.contains("md5") || !from_outside(text_field(body, "role").value_or(""))) return;
    Waiting& waiting = objects[*digest];
    waiting.size = count_field(body, "size").value_or(0);
    waiting.exhibits.push_back(id);
    return;
  }
  auto const found = objects.find(*digest);
  if (found == objects.end() || !of) return;
  std::erase(found->second.exhibits, *of);
  if (found->second.exhibits.empty()) objects.erase(found);
}

}  // namespace impound::agent
