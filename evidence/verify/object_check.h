// Objects and WARC records hashed again, on several threads. Private to verify/.
#pragma once

#include "evidence/system/disk.h"
#include "evidence/verify/entry_check.h"
#include "evidence/verify/vault_check.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

/// Every named object is there, with its size and its bytes.
void check_objects(Disk& vault, Named const& named, VerifyOptions const& options, Verdict& verdict);

/// Every named record has its bytes, and the records of a file follow each other without a gap. Bytes behind the last
/// one are the business of unnamed_files().
void check_records(Disk& vault, Named const& named, VerifyOptions const& options, Verdict& verdict);

}  // namespace impound::evidence
