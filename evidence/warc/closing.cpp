#include "evidence/warc/closing.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/open_file_hash.h"
#include "evidence/warc/file_name.h"

namespace impound::evidence {

namespace {

struct LeftFile {
  std::string path;
  std::optional<WarcFileName> name;
  FileFacts facts;
  LoggedWarc logged;
  bool open() const { return facts.mode == 0600; }
};

Result<std::vector<LeftFile>> left_files(Disk& vault, LoggedWarcs const& logged) {
  std::vector<LeftFile> left;
  IMPOUND_TRY(names, vault.list("warc", 1'000'000));
  for (FolderEntry const& entry : names) {
    if (entry.type != FileFacts::Type::file) continue;
    std::string path = "warc/" + entry.name;
    LoggedWarc const said = logged.of(path);
    if (said.end == 0) continue;
    IMPOUND_TRY(facts, vault.facts_of(path));
    left.push_back({std::move(path), WarcFileName::parse(entry.name), facts, said});
  }
  return left;
}

Result<void> make_read_only(DiskFile& file) {
  IMPOUND_CHECK(file.set_mode(0400));
  return file.sync();
}

}  // namespace

Json to_json(ClosedWarc const& closed) {
  return Json{
      {"bytes", closed.bytes}, {"file", closed.file}, {"records", closed.records}, {"sha256", hex(closed.sha256)}};
}

Result<ClosedWarc> closed_warc_from(ReadEntry const& entry) {
  auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or(""));
  auto const bytes = entry.number("bytes");
  auto const records = entry.number("records");
  std::string file = entry.text("file").value_or("");
  if (!digest || !bytes || !records || entry.body().size() != 4)
    return Error{Code::malformed, "a closed file has sha256, bytes and records", {}, {}};
  if (!file.starts_with("warc/") || file.find('/', 5) != std::string::npos || file.size() < 6)
    return Error{Code::malformed, "a closed file is not in warc/", {}, {}};
  return ClosedWarc{std::move(file), *digest, *bytes, *records};
}

Result<std::vector<ClosedWarc>> close_left_files(Disk& vault, LoggedWarcs const& logged, Clock& clock) {
  IMPOUND_TRY(files, left_files(vault, logged));
  std::optional<WarcFileName> newest;  // of those that the writer may go on with
  for (LeftFile const& one : files)
    if (one.open() && !one.logged.closed && one.name && (!newest || *newest < *one.name)) newest = one.name;
  std::vector<ClosedWarc> closed;
  std::vector<std::byte> block(256 * 1024);
  for (LeftFile const& one : files) {
    if (one.logged.closed && one.facts.mode != 0400) {
      IMPOUND_TRY(file, DiskFile::open(vault, one.path, Open::read));
      IMPOUND_CHECK(make_read_only(file));
    }
    if (one.logged.closed || one.logged.rewritten || one.facts.size != one.logged.end) continue;
    bool const goes_on = one.open() && one.name == newest && one.facts.size < warc_file_bytes_max &&
                         clock.utc_us() - one.name->begun_us() < warc_file_age_max_us;
    if (goes_on) continue;
    IMPOUND_TRY(file, DiskFile::open(vault, one.path, Open::read));
    IMPOUND_CHECK(file.sync());
    IMPOUND_TRY(hashed, hash_open_file(file, one.facts.size, block));
    IMPOUND_CHECK(make_read_only(file));
    closed.push_back({one.path, hashed.sha256, one.facts.size, one.logged.records});
  }
  return closed;
}

}  // namespace impound::evidence
