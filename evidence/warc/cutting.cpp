#include "evidence/warc/cutting.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/warc/reader.h"

namespace impound::evidence {

namespace {

constexpr std::size_t block_bytes = 256 * 1024;

struct Stretch {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Members {
  std::vector<Stretch> kept;  // neighbours are one
  std::size_t cut = 0;
  std::uint64_t bytes = 0;  // of the file
};

Result<Members> walk(Disk& vault, std::string const& path, std::set<Sha256> const& records) {
  IMPOUND_TRY(reader, WarcReader::open(vault, path, WarcReadLimits{}));
  Members members;
  for (;;) {
    IMPOUND_TRY(member, reader->next());
    if (!member) return members;
    members.bytes = member->offset + member->length;
    if (records.contains(member->sha256)) {
      ++members.cut;
      continue;
    }
    bool const joins =
        !members.kept.empty() && members.kept.back().offset + members.kept.back().length == member->offset;
    if (joins)
      members.kept.back().length += member->length;
    else
      members.kept.push_back({member->offset, member->length});
  }
}

Result<void> each_block(DiskFile& file, Stretch stretch, std::function<Result<void>(Bytes)> const& each) {
  std::vector<std::byte> block(block_bytes);
  while (stretch.length > 0) {
    auto const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), stretch.length));
    IMPOUND_TRY(count, file.read(stretch.offset, std::span{block}.first(wanted)));
    if (count == 0) return Error{Code::damaged, "a WARC file became shorter while it was read", {}, {}};
    IMPOUND_CHECK(each(Bytes{block}.first(count)));
    stretch.offset += count;
    stretch.length -= count;
  }
  return ok();
}

Result<void> gone(Result<void> removed) {
  if (!removed && removed.error().code != Code::not_found) return removed;
  return ok();
}

}  // namespace

Result<Cut> judge_cut(Disk& vault, std::string const& path, std::set<Sha256> const& records) {
  IMPOUND_TRY(members, walk(vault, path, records));
  IMPOUND_TRY(file, DiskFile::open(vault, path, Open::read));
  Cut cut;
  cut.records = members.cut;
  Sha256Stream before;
  IMPOUND_CHECK(each_block(file, {0, members.bytes}, [&](Bytes bytes) -> Result<void> {
    before.add(bytes);
    return ok();
  }));
  cut.before = before.finish();
  if (members.kept.empty()) return cut;
  Sha256Stream after;
  for (Stretch const& stretch : members.kept) {
    cut.bytes_after += stretch.length;
    IMPOUND_CHECK(each_block(file, stretch, [&](Bytes bytes) -> Result<void> {
      after.add(bytes);
      return ok();
    }));
  }
  cut.after = after.finish();
  return cut;
}

Result<void> cut_records(Disk& vault, std::string const& path, std::set<Sha256> const& records) {
  std::string const draft = "staging/sealing/" + path.substr(path.rfind('/') + 1) + ".cut";
  IMPOUND_CHECK(gone(vault.remove(draft)));
  auto there = vault.facts_of(path);
  if (!there && there.error().code != Code::not_found) return std::move(there).error();
  if (!there) return vault.sync_folder("warc");
  IMPOUND_TRY(members, walk(vault, path, records));
  if (members.cut == 0) {
    // Cut before; its new name may not be durable yet. Or torn off with an unlogged end: closed all the same, for the
    // order says what the file is from now on.
    IMPOUND_TRY(file, DiskFile::open(vault, path, Open::read));
    IMPOUND_CHECK(file.set_mode(0400));
    IMPOUND_CHECK(file.sync());
    return vault.sync_folder("warc");
  }
  if (members.kept.empty()) {
    IMPOUND_CHECK(vault.remove(path));
    return vault.sync_folder("warc");
  }
  {
    IMPOUND_TRY(from, DiskFile::open(vault, path, Open::read));
    IMPOUND_TRY(to, DiskFile::open(vault, draft, Open::create));
    std::uint64_t at = 0;
    auto const append = [&](Bytes bytes) -> Result<void> {
      IMPOUND_CHECK(to.write(at, bytes));
      at += bytes.size();
      return ok();
    };
    for (Stretch const& stretch : members.kept) IMPOUND_CHECK(each_block(from, stretch, append));
    IMPOUND_CHECK(to.set_mode(0400));
    IMPOUND_CHECK(to.sync());
  }
  IMPOUND_CHECK(vault.rename(draft, path, Replace::yes));
  IMPOUND_CHECK(vault.sync_folder("warc"));
  return vault.sync_folder("staging/sealing");
}

}  // namespace impound::evidence
