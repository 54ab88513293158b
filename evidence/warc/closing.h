// A WARC file that gets no more records: 0400, and `warc.closed` in the log.
//
//     warc.closed {"bytes","file","records","sha256"}     of the whole file, as it is from now on
//
// Only the entry closes a file; the mode keeps mistakes away from it. So a crash between the two, either way, is
// finished by the next start: a file without its entry gets it, a file whose mode was lost gets that again. The writer
// closes what it has open (WarcWriter::close_if_due), the start what earlier runs left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/system/clock.h"
#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"
#include "evidence/warc/logged_warcs.h"

namespace impound::evidence {

inline constexpr std::uint64_t warc_file_bytes_max = 256ull << 20;  // no new capture goes into a file of this size
inline constexpr std::int64_t warc_file_age_max_us =
    24ll * 3600 * 1'000'000;  // nor into one that was begun so long ago

struct ClosedWarc {
  std::string file;  // "warc/…"
  Sha256 sha256;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  bool operator==(ClosedWarc const&) const = default;
};

Json to_json(ClosedWarc const& closed);
/// Code::malformed for a body that is not what the schema says.
Result<ClosedWarc> closed_warc_from(ReadEntry const& entry);

/// At start, when every file ends where the log says (settle_unlogged): closes files that are due, open ones that are
/// not the newest, and those that a crash left read-only without their entry; what warc.closed is to say of each. Files
/// that an entry has closed are made read-only again. One that is shorter than what is logged, or that an erasure
/// rewrites, is left alone. Reads each file that it closes once, in bounded memory. One thread, the vault's holder.
Result<std::vector<ClosedWarc>> close_left_files(Disk& vault, LoggedWarcs const& logged, Clock& clock);

}  // namespace impound::evidence
