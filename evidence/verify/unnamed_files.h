// What lies in the vault and no entry names. Private to verify/.
//
// Not looked at: staging/ (never evidence), the journals and the reserve, a top-level lost+found. What an attempt for
// time-stamps that has no result yet asked for may be there, or not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/verify/entry_check.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

struct UnnamedFile {
  std::string path;
  std::string detail;
  std::uint64_t size = 0;   // of a WARC file whose end no record names
  bool of_a_crash = false;  // a crash can leave such a thing
  std::int64_t modified_ns = 0;
};

/// In a vault whose checkpoint has `log_size` entries. An error of the disk becomes a problem of the verdict.
std::vector<UnnamedFile> unnamed_files(Disk& vault, Named const& named, std::uint64_t log_size, bool log_only,
                                       Verdict& verdict);

/// Whether it is still there, and still unnamed by what a newer checkpoint says.
bool still_unnamed(Disk& vault, UnnamedFile const& file, Named const& named, std::uint64_t log_size);

/// The sizes for which there is a log/checkpoints/<size>.
std::vector<std::uint64_t> kept_checkpoints(Disk& vault);

}  // namespace impound::evidence
