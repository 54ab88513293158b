// Anchoring: a checkpoint's bytes are stamped by authorities, and what they answer is kept in the vault.
//
//     log/checkpoints/<size>              the signed note, to the byte what is stamped     keep_checkpoint
//     timestamps/<size>/<name>.chain.pem  the signer's certificate up to the root          stamp, in this order
//     timestamps/<size>/<name>.<i>.crl    revocation lists as fetched, best effort
//     timestamps/<size>/<name>.tsr        the whole reply, last: where it is, all is
//
// The order for whoever schedules this: publish the log, keep_checkpoint(), log the attempt (it must not name what is
// not there), stamp() each authority, log the result. After a crash kept_token() tells, for each authority of an open
// attempt, whether its token is there. HTTP is a function handed in; no clock: tokens are judged at their genTime.
// Every file is written under another name, 0400, synced, renamed, its folder synced. One thread, that of the vault's
// holder; the functions handed in are called on it. Errors: those of rfc3161.h, of `ask`, and the disk's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/timestamps/rfc3161.h"
#include "evidence/timestamps/stamping_entry.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct TimestampAuthority {
  std::string name;  // [a-z0-9][a-z0-9._-]{0,63}
  std::string url;   // as the log shall name it: a query may hold a password
  TrustedRoots roots;
};

/// The body of the answer to a POST of `query_der`.
using AskAuthority = std::function<Result<std::string>(TimestampAuthority const&, std::string_view query_der)>;
/// The body of a GET; the URL comes out of a certificate.
using FetchCrl = std::function<Result<std::string>(TimestampAuthority const&, std::string const& url)>;

/// log/checkpoints/<size>, durable on return, never changed: the same bytes there are fine, others Code::damaged.
Result<void> keep_checkpoint(Disk& vault, std::uint64_t size, std::string_view note);

/// Asks, judges, fetches the CRLs, writes; durable on return. Code::refused when the reply is not good or a CRL says
/// that a certificate was revoked: nothing is kept then. CRLs that cannot be had are counted in the token.
/// Code::exists when the token is there already.
Result<KeptToken> stamp(Disk& vault, TimestampAuthority const& authority, std::uint64_t size, std::string_view note,
                        AskAuthority const& ask, FetchCrl const& fetch_crl, Randomness& randomness);

/// What lies there of an earlier run, judged anew; nothing when there is no token (what a crash left beside it is
/// removed by the next stamp). Code::damaged: a torn or foreign file, or one that no longer passes: set_token_aside()
/// and stamp again.
Result<std::optional<KeptToken>> kept_token(Disk& vault, TimestampAuthority const& authority, std::uint64_t size,
                                            std::string_view note);

/// All files of this authority and size go to staging/torn; gives the paths they had.
Result<std::vector<std::string>> set_token_aside(Disk& vault, std::string_view authority, std::uint64_t size);

/// The body of timestamp.attempt. `required` is 1 … authorities.size(), at most authorities_max of them.
Json attempt_body(std::uint64_t size, Sha256 const& root, std::string_view note, std::uint64_t required,
                  std::span<TimestampAuthority const> authorities);

/// The body of timestamp.result; its state follows from the attempt and the tokens. `superseded_by` is needed when
/// there are fewer than required, and ignored otherwise.
Json result_body(StampingAttempt const& attempt, std::vector<KeptToken> tokens, std::vector<FailedAuthority> failed,
                 std::optional<std::uint64_t> superseded_by);

}  // namespace impound::evidence
