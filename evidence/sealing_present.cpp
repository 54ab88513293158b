// An object that is there already becomes an exhibit once more, of another origin. See sealing.h.
#include <set>

#include "evidence/formats/hex.h"
#include "evidence/sealing.h"
#include "evidence/vault.h"

namespace impound::evidence {

Result<std::vector<SealedFile>> Sealing::seal_present(std::span<PresentObject const> objects) {
  std::vector<SealedFile> sealed;
  std::vector<EntryDraft> entries;
  std::set<std::string> touched;
  std::vector<std::byte> buffer(1u << 20);
  for (PresentObject const& one : objects) {
    SealedFile& outcome = sealed.emplace_back(SealedFile{.staged_path = {}, .was_present = true});
    std::string const path = object_path(one.sha256);
    auto file = DiskFile::open(vault_, path, Open::read);
    if (!file) {
      outcome.refused = std::move(file).error();
      continue;
    }
    // Present is not intact: the object is read again before an entry names it.
    Result<HashedBytes> hashed = HashedBytes{};
    if (digests_ == SealWith::sha256) {
      hashed = hash_open_file(file.value(), one.size, buffer);
    } else if (auto thrice = hash_open_file_thrice(file.value(), one.size); thrice) {
      outcome.further = thrice.value().further;
      hashed = thrice.value().bytes;
    } else {
      hashed = std::move(thrice).error();
    }
    if (!hashed || hashed.value().sha256 != one.sha256 || hashed.value().size != one.size) {
      outcome.refused = hashed ? Error{Code::damaged, "the object that is there has other bytes than its name says",
                                       path, "Run impound verify."}
                               : std::move(hashed).error();
      continue;
    }
    outcome.sha256 = one.sha256;
    outcome.exhibit = one.exhibit.id;
    touched.insert(std::string(folder_of(path)));
    EntryDraft draft = one.exhibit;
    draft.body["sha256"] = hex(one.sha256);
    draft.body["size"] = json_number(one.size);
    if (outcome.further) {
      draft.body["sha1"] = hex(outcome.further->sha1);
      draft.body["md5"] = hex(outcome.further->md5);
    }
    entries.push_back(std::move(draft));
  }
  for (std::string const& folder : touched) IMPOUND_CHECK(vault_.sync_folder(folder));
  if (!entries.empty()) IMPOUND_CHECK(record_(std::move(entries)));
  return sealed;
}

}  // namespace impound::evidence
