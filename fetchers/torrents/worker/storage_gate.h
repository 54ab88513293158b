// Stands between libtorrent and its disk back end (posix_disk_io), so that nothing a stranger named is ever opened.
//
// Every file of a torrent is stored under its number, "000042", straight in the job's folder: no name from a torrent,
// no folder, no over-long or duplicate name reaches the disk; what the names were is told beside it. A torrent with
// symbolic links (which 2.0.8's back ends would create) or with too many files is given an error before its first file
// is made.
//
// libtorrent calls it on its network thread.
#pragma once

#include <cstdint>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/session_params.hpp>
#include <string>

namespace impound::fetchers {

/// The name of a file of this number in its job's folder.
std::string staged_name(lt::file_index_t index);

/// For session_params: posix_disk_io behind the gate.
lt::disk_io_constructor_type gated_posix_disk(std::uint64_t files_max);

}  // namespace impound::fetchers
