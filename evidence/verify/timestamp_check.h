// Time-stamps held against the log that names them. Private to verify/.
//
// For each timestamp.attempt: log/checkpoints/<size> is there with the bytes it names, and its root is the log's own at
// that size. For its result: every file with its digest; each token judged over the checkpoint's bytes at its genTime,
// its chain ending at a root that the attempt pins (and, with --tsa-ca, that the verifier brought), no certificate
// revoked by the CRLs beside it; what the entry says of it; and k of n good ones, as the state claims.
//
// Times are judged where the order of the log proves something, never by themselves:
//   - A token over a checkpoint bears witness that its newest entry existed at genTime. An entry whose clock was
//     synchronised and says later than that contradicts it. Tolerance: 16 s, the largest error the kernel calls
//     synchronised (adjtimex: NTP_PHASE_LIMIT), and the token's accuracy.
//   - A token that an entry below a later checkpoint names existed before that checkpoint was stamped. So its genTime
//   is
//     no later than the later one's, but for both accuracies.
// A token over an older size with a later time is no contradiction: it may have been had late. Where a token gives no
// accuracy, 1 s is taken, the most that ETSI EN 319 421 allows.
#pragma once

#include "evidence/system/disk.h"
#include "evidence/verify/log_check.h"
#include "evidence/verify/vault_check.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

/// Call when the walk has ended and was judged.
void check_timestamps(Disk& vault, LogCheck& log, VerifyOptions const& options, Verdict& verdict);

}  // namespace impound::evidence
