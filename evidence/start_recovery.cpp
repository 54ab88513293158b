#include "evidence/start_recovery.h"

#include <algorithm>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/torn.h"
#include "evidence/vault.h"

namespace impound::evidence {

Result<RecoveryReport> set_aside_unnamed(Disk& vault, std::vector<Sha256> named) {
  std::sort(named.begin(), named.end());
  RecoveryReport report;
  IMPOUND_TRY(folders, vault.list("objects", 10'000));
  for (FolderEntry const& folder : folders) {
    if (folder.type != FileFacts::Type::folder || folder.name.size() != 2) continue;
    std::string const place = "objects/" + folder.name;
    IMPOUND_TRY(objects, vault.list(place, 10'000'000));
    bool moved = false;
    for (FolderEntry const& object : objects) {
      auto const digest = digest_from_hex<Sha256>(object.name);
      if (object.type != FileFacts::Type::file || !digest || object_path(*digest) != place + "/" + object.name)
        continue;
      if (std::binary_search(named.begin(), named.end(), *digest)) continue;
      IMPOUND_CHECK(set_aside(vault, place + "/" + object.name, object.name));
      report.objects.push_back(place + "/" + object.name);
      moved = true;
    }
    if (!moved) continue;
    IMPOUND_CHECK(vault.sync_folder("staging/torn"));
    IMPOUND_CHECK(vault.sync_folder(place));
  }
  return report;
}

}  // namespace impound::evidence
