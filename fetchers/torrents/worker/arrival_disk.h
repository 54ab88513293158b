// libtorrent's disk back end, ours: writes and hashes each block as it arrives, keeps a journal, and never gives a byte
// to a peer (disk/kept_torrent does the work; this is libtorrent's side of it).
//
// Every file of a torrent is stored under its number, "000042", straight in the job's folder: no name from a torrent,
// no folder, no over-long or duplicate name reaches the disk; what the names were is told beside it. A symbolic link
// has no bytes, so nothing is ever made for it. A torrent with too many files is given an error before its first is
// made.
//
// A block is written and hashed on libtorrent's thread, which never waits for the medium: batches of 32 MiB or 5 s are
// synced on a thread of their own (disk/sync_thread), and the journal follows them. When that thread is two batches
// behind, blocks are still written, but their peers are not told so, and send no more, until it has caught up. A file
// that is whole is told when its batch has ended, a second later at most.
//
// Reads for peers are refused and counted: the third lock of P3.
//
// libtorrent calls it on its network thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <libtorrent/session_params.hpp>
#include <memory>

#include "evidence/system/disk.h"
#include "fetchers/torrents/worker/arrivals.h"

namespace impound::fetchers {

struct ArrivalLimits {
  std::uint64_t files_max = 0;                   // of one torrent; more is an error
  std::uint64_t batch_bytes = 32u << 20;         // of payload
  std::uint64_t unsynced_bytes_max = 64u << 20;  // of payload, all torrents together; beyond it peers wait
  std::chrono::milliseconds batch_at_least_every{5'000};
  std::chrono::milliseconds whole_at_least_every{1'000};  // where a file is whole, and told when it is on the medium
  KeptLimits kept{};
};

/// For session_params. `disk`: the staging folder.
lt::disk_io_constructor_type arrival_disk(std::shared_ptr<Disk> disk, ArrivalLimits const& limits,
                                          std::shared_ptr<Arrivals> arrivals);

}  // namespace impound::fetchers
