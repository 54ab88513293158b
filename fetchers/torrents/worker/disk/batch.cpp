#include "fetchers/torrents/worker/disk/batch.h"

#include "fetchers/torrents/worker/disk/file_table.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t sync_everything_from_files = 64;  // one syncfs costs less than so many syncs of small files

/// False: it is not there. Opened for reading: the agent's lease on a finished file is refused while anybody has it
/// open for writing.
Result<bool> sync_file(Disk& disk, std::string const& path) {
  auto file = DiskFile::open(disk, path, Open::read);
  if (!file && file.error().code == Code::not_found) return false;
  if (!file) return std::move(file).error();
  IMPOUND_CHECK(file.value().sync());
  return true;
}

Result<void> sync_payload(Disk& disk, Batch const& batch) {
  bool by_name = batch.files.size() < sync_everything_from_files;
  for (std::size_t i = 0; by_name && i < batch.files.size(); ++i) {
    IMPOUND_TRY(there, sync_file(disk, batch.folder + "/" + numbered_file(batch.files[i])));
    by_name = there;
  }
  // One that was taken away whole is on this disk still, wherever it lies: the records below speak of its bytes.
  if (!by_name) IMPOUND_CHECK(disk.sync_everything());
  if (batch.names) IMPOUND_CHECK(disk.sync_folder(batch.folder));
  return ok();
}

}  // namespace

Result<void> carry_out(Disk& disk, Batch const& batch) {
  if (auto const before = batch.journal->failure()) return before->error;
  auto done = sync_payload(disk, batch);
  bool const payload_unsure = !done;
  if (done) done = batch.journal->append(batch.records);
  if (!done) batch.journal->fail({done.error(), payload_unsure});
  return done;
}

}  // namespace impound::fetchers
