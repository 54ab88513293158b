#include "fetchers/torrents/worker/disk/batch.h"

#include "fetchers/torrents/worker/disk/file_table.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t sync_everything_from_files = 64;  // one syncfs costs less than so many syncs of small files

/// Opened for reading: the agent's lease on a finished file is refused while anybody has it open for writing.
Result<void> sync_file(Disk& disk, std::string const& path) {
  auto file = DiskFile::open(disk, path, Open::read);
  if (!file && file.error().code == Code::not_found) return ok();
  if (!file) return std::move(file).error();
  return file.value().sync();
}

Result<void> in_order(Disk& disk, Batch const& batch) {
  if (batch.files.size() >= sync_everything_from_files) {
    IMPOUND_CHECK(disk.sync_everything());
  } else {
    for (auto const file : batch.files) IMPOUND_CHECK(sync_file(disk, batch.folder + "/" + numbered_file(file)));
  }
  if (batch.names) IMPOUND_CHECK(disk.sync_folder(batch.folder));
  return batch.journal->append(batch.records);
}

}  // namespace

Result<void> carry_out(Disk& disk, Batch const& batch) {
  if (auto const error = batch.journal->failure()) return *error;
  auto done = in_order(disk, batch);
  if (!done) batch.journal->fail(done.error());
  return done;
}

}  // namespace impound::fetchers
