// Who signed a token, and whether to believe it: ESS id, key usage, signature, chain at a given time. Private to
// timestamps/.
#pragma once

#include <cstdint>
#include <string>

#include "evidence/timestamps/openssl_owners.h"
#include "evidence/timestamps/rfc3161.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct TrustedRoots::Certificates {
  openssl::Certificates roots;
  openssl::Certificates others;
  std::vector<Sha256> sha256;
};

struct TokenSigner {
  std::string subject;
  Sha256 root_sha256;
  bool ess_v2 = false;
  std::string chain_pem;
};

/// The SHA-256 of a certificate's DER.
Sha256 fingerprint(X509* certificate);

/// `token` holds a TSTInfo; the chain is judged at `gen_time_us`.
Result<TokenSigner> judge_signature(PKCS7* token, TrustedRoots const& roots, std::int64_t gen_time_us);

}  // namespace impound::evidence
