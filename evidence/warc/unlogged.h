// Cuts off, at start, what a crash left behind the last logged record of a WARC file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// `logged_end`: for each file ("warc/…") where its last logged record ends. Bytes behind it go to
/// staging/torn/<name>.<offset>, durable there before the file is cut; a file of which nothing is logged goes there
/// whole. A file that is shorter than what is logged is damaged: it is made read-only, so that nothing is written
/// behind the damage, and left for `verify` to name. Closed files (0400) are never touched. Gives the number of files
/// cut or moved.
///
/// Gap: whole records of an open attempt could be adopted ("recovered":true); for now they are set aside like torn
/// ones.
Result<std::size_t> set_aside_unlogged(Disk& vault, std::map<std::string, std::uint64_t> const& logged_end);

}  // namespace impound::evidence
