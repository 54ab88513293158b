// What a crash left behind the last logged record of a WARC file, settled at start: whole captures of attempts that
// have no result are adopted, the rest is cut off.
//
// A capture is whole when all its records are, up to the metadata record that ends it (capture_end.h), each a whole
// gzip member whose block has its digest; none is taken from behind a torn one. What is adopted is durable on return,
// and the caller records its capture.result with "recovered":true: until then the next start finds it again. It is what
// lay there after the crash, vouched for by nothing before: whoever could write to the vault's folder in between could
// have put it there, and that is what "recovered" tells.
//
// The rest goes to staging/torn/<name>.<offset>, durable there before the file is cut; a file of which nothing is
// logged and nothing adopted goes there whole. A file that is shorter than what is logged is damaged: it is made
// read-only, so that nothing is written behind the damage, and left for `verify` to name. Closed files are never
// touched, and to a file that an erasure rewrites nothing is added. One thread, the vault's holder. Errors: the disk's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"
#include "evidence/warc/logged_warcs.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

struct AdoptedCapture {
  EntryId attempt;
  Json result;  // as capture_end.h has it
  std::vector<WrittenRecord> records;
};

struct SetAsideTail {
  std::string file;  // "warc/…"
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct SettledWarcs {
  std::vector<AdoptedCapture> adopted;
  std::vector<SetAsideTail> set_aside;
};

/// `open`: whether this capture.attempt has no result.
Result<SettledWarcs> settle_unlogged(Disk& vault, LoggedWarcs const& logged,
                                     std::function<bool(EntryId const&)> const& open);

}  // namespace impound::evidence
