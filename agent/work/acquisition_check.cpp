// What the worker downloaded, held against the torrent's hashes by the agent itself, before anything of it is sealed.
// See acquisition.h.
#include "agent/work/acquisition.h"
#include "agent/work/staging.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/payload_check.h"

namespace impound::agent {

namespace {

/// Gives the file's bytes to the check, at most one block more than there shall be. Files of a strange kind are not
/// read.
Result<void> read_into(fetchers::PayloadCheck& check, Disk& vault, std::string const& path, std::uint64_t size,
                       std::vector<std::byte>& buffer) {
  IMPOUND_TRY(file, DiskFile::open(vault, path, Open::read));
  IMPOUND_TRY(facts, file.facts());
  if (facts.type != FileFacts::Type::file) return Error{Code::refused, "not a regular file", path, {}};
  for (std::uint64_t done = 0; done <= size;) {
    IMPOUND_TRY(count, file.read(done, buffer));
    if (count == 0) break;
    check.add(Bytes{buffer}.first(count));
    done += count;
  }
  return ok();
}

}  // namespace

bool Acquisitions::known(Running const& running, fetchers::FileDone const& done) {
  if (!running.metainfo || done.index >= running.metainfo->files.size()) return false;
  fetchers::TorrentFile const& file = running.metainfo->files[done.index];
  return !file.pad && running.left_out[done.index].empty() && file.path_bytes == done.path_bytes &&
         file.size == done.size;
}

/// Goes through the torrent once, in its order. Files of an earlier run are read from the vault, where they share a
/// piece. What cannot be read is not there; the place of a file says why it is not sealed.
Result<std::vector<Acquisitions::Checked>> Acquisitions::check_payload(Running const& running) {
  if (!running.metainfo || running.files_done.empty()) return std::vector<Checked>{};
  fetchers::Metainfo const& torrent = *running.metainfo;
  IMPOUND_TRY(check, fetchers::PayloadCheck::of(torrent));
  std::map<std::uint64_t, fetchers::FileDone const*> announced;
  for (fetchers::FileDone const& done : running.files_done)
    if (known(running, done)) announced.emplace(done.index, &done);
  std::vector<Checked> checked(torrent.files.size());
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::size_t i = 0; i < torrent.files.size(); ++i) {
    fetchers::TorrentFile const& file = torrent.files[i];
    std::string path;
    if (auto const before = running.sealed_before.find(hex(bytes_of(file.path_bytes)));
        !file.pad && before != running.sealed_before.end()) {
      if (auto const digest = digest_from_hex<Sha256>(before->second.sha256)) path = evidence::object_path(*digest);
    } else if (auto const found = announced.find(i); found != announced.end()) {
      path = staging_path(staging_of(running)) + "/" + found->second->staged_path;
    }
    if (path.empty()) {
      check.skip_file();
      continue;
    }
    check.begin_file();
    if (auto const read = read_into(check, session_.disk(), path, file.size, buffer); !read)
      checked[i].problem = line(read.error());
    check.end_file();
    if (i % 1000 == 0)
      terminal_.status("checking  " + std::to_string(i) + " of " + std::to_string(torrent.files.size()));
  }
  auto const& files = check.finish();
  for (std::size_t i = 0; i < files.size(); ++i) {
    checked[i].file = files[i];
    if (!checked[i].problem.empty()) continue;
    if (!files[i].there) checked[i].problem = "its size is not what the torrent says";
    if (files[i].wrong) checked[i].problem = "it does not hash to what the torrent says";
    auto const found = announced.find(i);
    if (checked[i].problem.empty() && found != announced.end() && found->second->sha256 &&
        *found->second->sha256 != files[i].sha256)
      checked[i].problem = "its bytes are not those whose digest was taken as they arrived";
  }
  return checked;
}

}  // namespace impound::agent
