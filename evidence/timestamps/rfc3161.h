// RFC 3161 time-stamps: the query for one, and the judgement of what an authority answers.
//
// A token says: its authority saw this SHA-256 no later than genTime. It is an upper bound ("existed before"), as good
// as the authority's key and clock. Judged are, in this order: the reply's status; that nothing trails it; version,
// imprint and its algorithm, nonce; one signer, its certificate named by the signed ESS attribute (RFC 2634's SHA-1 id
// or RFC 5816's), its extended key usage timeStamping, critical and alone (RFC 3161 §2.3); the signature; the chain up
// to a root that was given, at genTime and not today, without SHA-1 or short keys on the way. Revocation: see
// judge_crl.
//
//     query   30 43 | 02 01 01 | imprint 30 31 { sha256, 04 20 … } | nonce 02 08 … | certReq 01 01 ff
//     reply   30 { status 30 { 02 01 00 … } | token: CMS SignedData over TSTInfo }
//
// Replies, certificates and CRLs are strangers' bytes: bounded, parsed by libcrypto, an Error and never a crash. Pure
// functions, any thread. Errors: Code::malformed, not what it claims to be; Code::damaged, over other bytes;
// Code::refused, another check failed; `what` says which.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound {
class Randomness;
}

namespace impound::evidence {

inline constexpr std::size_t timestamp_reply_bytes_max = 64 * 1024;
inline constexpr std::size_t roots_pem_bytes_max = 1024 * 1024;
inline constexpr std::size_t roots_max = 100;
inline constexpr std::size_t crl_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t crl_urls_max = 8;

struct TimestampQuery {
  std::string der;  // the body of the POST, application/timestamp-query
  Sha256 imprint;
  std::array<std::byte, 8> nonce{};  // first byte 0x40 … 0x7f: eight bytes long, positive
};

/// Asks for a token over `stamped`, with a fresh nonce and the authority's certificates.
TimestampQuery make_query(Bytes stamped, Randomness& randomness);

/// The certificates that a chain may end at, from a PEM file: those signed by themselves are roots, others only help to
/// build chains. Immutable; copies share.
class TrustedRoots {
 public:
  /// Code::malformed: not PEM, more than roots_pem_bytes_max or roots_max, a broken certificate, or no root among them.
  static Result<TrustedRoots> from_pem(std::string_view pem);
  /// The same roots, and the certificates of `chain_pem` that are no roots to build chains with.
  Result<TrustedRoots> helped_by(std::string_view chain_pem) const;
  /// SHA-256 of each root's DER, in the file's order; never empty.
  std::vector<Sha256> const& sha256() const;

  struct Certificates;
  Certificates const& certificates() const { return *certificates_; }

 private:
  std::shared_ptr<Certificates const> certificates_;
};

/// What a good token says.
struct TimestampToken {
  std::string der;  // the token alone: CMS ContentInfo, as i2d writes it
  std::int64_t gen_time_us = 0;
  std::optional<std::int64_t> accuracy_us;  // absent: the authority says nothing
  std::string serial;                       // hex, two digits a byte, '-' before it for the authorities that err so
  std::string policy;                       // OID, dotted
  std::string tsa_subject;                  // RFC 2253, of the signer's certificate
  Sha256 root_sha256;
  bool ess_v2 = false;    // RFC 5816's id of the signer's certificate; else RFC 2634's, SHA-1
  std::string chain_pem;  // from the signer up to the root
};

/// The reply to `query`.
Result<TimestampToken> judge_reply(std::string_view reply_der, TimestampQuery const& query, TrustedRoots const& roots);

/// A reply or a bare token over `stamped`, when the query is gone: the nonce is not looked at.
Result<TimestampToken> judge_token(std::string_view reply_or_token_der, Bytes stamped, TrustedRoots const& roots);

}  // namespace impound::evidence
