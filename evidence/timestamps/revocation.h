// Whether a time-stamp's certificates were revoked: where their CRLs are, and what a CRL says (RFC 5280 §5, RFC 3161
// §4).
//
// RFC 3161 §4: a revocation at or before genTime harms. A later one does not, if its reason says that the key was not
// lost: unspecified, affiliationChanged, superseded or cessationOfOperation. Every other later one harms as well, and
// so does one without a reason. Of CRLs only complete ones are judged, signed by who issued a certificate of the
// chain. A CRL is taken soon after genTime and kept with the token: it proves that nothing was known then. Pure, any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "evidence/timestamps/rfc3161.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// http and https URLs in the CRL distribution points of the chain's certificates below the root; no doubles, at most
/// crl_urls_max. They stand in a stranger's certificate: the fetcher's address policy applies.
std::vector<std::string> crl_urls(TimestampToken const& token);

struct CrlFindings {
  std::string issuer;  // RFC 2253
  std::int64_t this_update_us = 0;
  std::vector<std::string> revoked;  // a sentence for each certificate of the chain whose revocation harms the token
  std::vector<std::string> later;    // … whose revocation came later and does not
};

/// Code::malformed: no CRL. Code::refused: a delta, out of date at genTime (or older than it, without saying until when
/// it holds), of another scope, weakly signed, or signed by no issuer of the chain: it says nothing about the token. A
/// harming revocation is a finding, not an error.
Result<CrlFindings> judge_crl(std::string_view crl_der, TimestampToken const& token);

}  // namespace impound::evidence
