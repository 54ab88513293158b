#include "evidence/warc/unlogged.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "evidence/torn.h"

namespace impound::evidence {

namespace {

/// The tail becomes a file of its own, durable, before it is cut off.
Result<void> copy_tail(Disk& vault, DiskFile& from, std::string const& name, std::uint64_t offset) {
  std::string const draft = "staging/sealing/" + name + ".tail";
  if (auto gone = vault.remove(draft); !gone && gone.error().code != Code::not_found) return std::move(gone).error();
  {
    IMPOUND_TRY(to, DiskFile::open(vault, draft, Open::create));
    std::vector<std::byte> block(256 * 1024);
    for (std::uint64_t done = 0;;) {
      IMPOUND_TRY(count, from.read(offset + done, block));
      if (count == 0) break;
      IMPOUND_CHECK(to.write(done, Bytes{block}.first(count)));
      done += count;
    }
    IMPOUND_CHECK(to.sync());
  }
  IMPOUND_CHECK(set_aside(vault, draft, name + "." + std::to_string(offset)));
  return vault.sync_folder("staging/torn");
}

}  // namespace

Result<std::size_t> set_aside_unlogged(Disk& vault, std::map<std::string, std::uint64_t> const& logged_end) {
  std::size_t handled = 0;
  IMPOUND_TRY(files, vault.list("warc", 1'000'000));
  for (FolderEntry const& entry : files) {
    if (entry.type != FileFacts::Type::file) continue;
    std::string const path = "warc/" + entry.name;
    IMPOUND_TRY(facts, vault.facts_of(path));
    if (facts.mode != 0600) continue;
    auto const found = logged_end.find(path);
    std::uint64_t const end = found == logged_end.end() ? 0 : found->second;
    if (end == 0) {
      IMPOUND_CHECK(set_aside(vault, path, entry.name + ".0"));
      IMPOUND_CHECK(vault.sync_folder("staging/torn"));
      IMPOUND_CHECK(vault.sync_folder("warc"));
      ++handled;
      continue;
    }
    if (facts.size == end) continue;
    IMPOUND_TRY(file, DiskFile::open(vault, path, Open::write));
    if (facts.size < end) {
      IMPOUND_CHECK(file.set_mode(0400));
      continue;
    }
    IMPOUND_CHECK(copy_tail(vault, file, entry.name, end));
    IMPOUND_CHECK(file.truncate(end));
    IMPOUND_CHECK(file.sync());
    ++handled;
  }
  return handled;
}

}  // namespace impound::evidence
