// What one batch of a torrent brings to the medium, and the order in which it does: files, then their names, then the
// journal's records that speak of them.
//
// A batch is a value, made on the thread that writes and carried out on another, which may wait. Batches of a torrent
// are carried out in the order in which they were made; after one that failed none does anything (a failed sync is
// final), so a record never stands on data of a batch before it that is lost.
//
// Power fails after   files    nothing says that they are there: fetched again
//                     names    the same
//                     records  torn or whole: what is whole is true, and the torn tail is cut
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "fetchers/torrents/worker/disk/download_journal.h"

namespace impound::fetchers {

struct Batch {
  std::string folder;
  std::vector<std::size_t> files;  // written to since the batch before
  bool names = false;              // files were made
  std::shared_ptr<DownloadJournal> journal;
  std::string records;
  std::uint64_t bytes = 0;            // of payload written since the batch before
  std::vector<std::size_t> finished;  // files whose digest is among the records
};

/// Any thread; waits for the disk. A file that is not there any more was taken away whole, and everything is synced.
/// Otherwise the disk's error, which every later batch of the torrent repeats.
Result<void> carry_out(Disk& disk, Batch const& batch);

}  // namespace impound::fetchers
