#include "evidence/timestamps/revocation.h"

#include <algorithm>
#include <utility>

#include "evidence/timestamps/openssl_owners.h"
#include "evidence/values/utc_time.h"

namespace impound::evidence {

namespace {

constexpr int chain_max = 16;  // certificates; the judgement stops at ten
constexpr std::size_t url_bytes_max = 1'000;

Error refused(std::string what) { return Error{Code::refused, "the CRL: " + std::move(what), {}, {}}; }
Error malformed(std::string what) { return Error{Code::malformed, std::move(what), {}, {}}; }

bool fit_for_fetching(std::string_view url) {
  bool const web = url.starts_with("http://") || url.starts_with("https://");
  return web && url.size() <= url_bytes_max &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

constexpr int full_name = 0;  // DIST_POINT_NAME::type

/// Every full name of the certificate's CRL distribution points (RFC 5280 §4.2.1.13), in order.
template <class Take>
void for_each_point(X509* certificate, Take take) {
  std::unique_ptr<CRL_DIST_POINTS, openssl::Freed<CRL_DIST_POINTS_free>> const points{
      static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr))};
  for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i) {
    DIST_POINT_NAME const* const place = sk_DIST_POINT_value(points.get(), i)->distpoint;
    if (place == nullptr || place->type != full_name) continue;
    for (int j = 0; j < sk_GENERAL_NAME_num(place->name.fullname); ++j)
      take(sk_GENERAL_NAME_value(place->name.fullname, j));
  }
}

void add_urls(X509* certificate, std::vector<std::string>& urls) {
  for_each_point(certificate, [&urls](GENERAL_NAME const* name) {
    if (name->type != GEN_URI || urls.size() >= crl_urls_max) return;
    ASN1_IA5STRING const* const uri = name->d.uniformResourceIdentifier;
    std::string url{reinterpret_cast<char const*>(ASN1_STRING_get0_data(uri)),
                    static_cast<std::size_t>(ASN1_STRING_length(uri))};
    if (fit_for_fetching(url) && std::find(urls.begin(), urls.end(), url) == urls.end()) urls.push_back(std::move(url));
  });
}

/// Whether a certificate of the chain has the CRL's issuer's name and key, and may sign CRLs.
bool signed_by_one_of(X509_CRL* crl, STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const one = sk_X509_value(chain, i);
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(one)) != 0) continue;
    if ((X509_get_key_usage(one) & KU_CRL_SIGN) == 0 || X509_check_ca(one) == 0) continue;
    if (X509_CRL_verify(crl, X509_get0_pubkey(one)) == 1) return true;
  }
  return false;
}

/// CRLReason (RFC 5280 §5.3.1) by its number.
std::string reason_text(std::optional<std::int64_t> reason) {
  constexpr char const* words[] = {"unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
                                   "superseded",    "cessationOfOperation", "certificateHold", "7",
                                   "removeFromCRL", "privilegeWithdrawn",   "aACompromise"};
  if (!reason) return "no reason given";
  return *reason >= 0 && *reason < std::ssize(words) ? words[*reason] : "unknown reason";
}

std::optional<std::int64_t> reason_of(X509_REVOKED const* entry) {
  std::unique_ptr<ASN1_ENUMERATED, openssl::Freed<ASN1_ENUMERATED_free>> const reason{
      static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr))};
  std::int64_t number = -1;
  if (!reason || ASN1_ENUMERATED_get_int64(&number, reason.get()) != 1) return std::nullopt;
  return number;
}

/// RFC 3161 §4, 1: the reasons under which tokens older than the revocation stay valid. "When the reasonCode extension
/// … is not present …, then all the tokens … SHALL be considered as invalid."
bool spares_older_tokens(std::optional<std::int64_t> reason) {
  return reason && (*reason == CRL_REASON_UNSPECIFIED || *reason == CRL_REASON_AFFILIATION_CHANGED ||
                    *reason == CRL_REASON_SUPERSEDED || *reason == CRL_REASON_CESSATION_OF_OPERATION);
}

/// A signature that could be forged revokes nothing, and clears nobody.
bool strongly_signed(X509_CRL const* crl) {
  int digest = NID_undef;
  return OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, nullptr) == 1 && digest != NID_md5 &&
         digest != NID_sha1;
}

using Scope = std::unique_ptr<ISSUING_DIST_POINT, openssl::Freed<ISSUING_DIST_POINT_free>>;

/// RFC 5280 §5.2: a critical extension that is not understood makes a CRL unusable. The scope (§5.2.5) is understood.
Result<Scope> scope_of(X509_CRL const* crl) {
  for (int i = 0; i < X509_CRL_get_ext_count(crl); ++i) {
    X509_EXTENSION* const extension = X509_CRL_get_ext(crl, i);
    bool const is_scope = OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_issuing_distribution_point;
    if (X509_EXTENSION_get_critical(extension) == 1 && !is_scope)
      return refused("it has a critical extension that is not understood here");
  }
  int found = -1;
  Scope scope{
      static_cast<ISSUING_DIST_POINT*>(X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &found, nullptr))};
  if (!scope && found != -1) return malformed("the CRL's scope cannot be read");
  if (scope && (scope->indirectCRL > 0 || scope->onlyattr > 0 || scope->onlysomereasons != nullptr))
    return refused("it covers other certificates, or some reasons only");
  return scope;
}

/// Whether a CRL of this scope (nothing: all of its issuer's) speaks of a certificate.
bool covers(Scope const& scope, X509* certificate) {
  if (!scope) return true;
  bool const is_ca = X509_check_ca(certificate) != 0;
  if ((scope->onlyuser > 0 && is_ca) || (scope->onlyCA > 0 && !is_ca)) return false;
  if (scope->distpoint == nullptr) return true;
  if (scope->distpoint->type != full_name) return false;
  // One of several lists of its issuer: it is the certificate's if one of its distribution points has the part's name.
  bool named = false;
  for_each_point(certificate, [&](GENERAL_NAME* name) {
    for (int i = 0; i < sk_GENERAL_NAME_num(scope->distpoint->name.fullname); ++i)
      named = named || GENERAL_NAME_cmp(name, sk_GENERAL_NAME_value(scope->distpoint->name.fullname, i)) == 0;
  });
  return named;
}

Result<void> check_extent(X509_CRL* crl, std::int64_t gen_time_us, CrlFindings& findings) {
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) return refused("it holds only what has changed (a delta)");
  if (!strongly_signed(crl)) return refused("its signature rests on SHA-1, or on worse");
  auto const from = openssl::us_from(X509_CRL_get0_lastUpdate(crl));
  if (!from) return malformed("the CRL does not say of when it is");
  findings.this_update_us = *from;
  if (ASN1_TIME const* const next = X509_CRL_get0_nextUpdate(crl)) {
    auto const until = openssl::us_from(next);
    if (!until) return malformed("the CRL does not say until when it holds");
    if (*until < gen_time_us) return refused("it ran out at " + utc_text(*until) + ", before the time-stamp");
  } else if (*from < gen_time_us) {
    return refused("it is of before the time-stamp, and does not say until when it holds");
  }
  return ok();
}

}  // namespace

std::vector<std::string> crl_urls(TimestampToken const& token) {
  std::vector<std::string> urls;
  auto const chain = openssl::certificates_from_pem(token.chain_pem, chain_max);
  if (!chain) return urls;
  int const count = sk_X509_num(chain->get());
  for (int i = 0; i + 1 < count; ++i) add_urls(sk_X509_value(chain->get(), i), urls);
  ERR_clear_error();
  return urls;
}

Result<CrlFindings> judge_crl(std::string_view crl_der, TimestampToken const& token) {
  if (crl_der.empty() || crl_der.size() > crl_bytes_max) return malformed("no CRL: empty, or more than 4 MiB");
  auto const* at = reinterpret_cast<unsigned char const*>(crl_der.data());
  openssl::Revocations const crl{d2i_X509_CRL(nullptr, &at, static_cast<long>(crl_der.size()))};
  ERR_clear_error();
  if (!crl) return malformed("no CRL: it cannot be read as one (DER)");
  if (at != reinterpret_cast<unsigned char const*>(crl_der.data() + crl_der.size()))
    return malformed("bytes trail the CRL");
  auto const chain = openssl::certificates_from_pem(token.chain_pem, chain_max);
  if (!chain) return malformed("the token's chain cannot be read");
  CrlFindings findings;
  findings.issuer = openssl::name_text(X509_CRL_get_issuer(crl.get()));
  bool const known = signed_by_one_of(crl.get(), chain->get());
  ERR_clear_error();
  if (!known) return refused("it is signed by no issuer of the token's chain: " + findings.issuer);
  IMPOUND_CHECK(check_extent(crl.get(), token.gen_time_us, findings));
  IMPOUND_TRY(scope, scope_of(crl.get()));
  bool says_something = false;
  for (int i = 0; i + 1 < sk_X509_num(chain->get()); ++i) {  // nobody revokes themselves: not the root
    X509* const one = sk_X509_value(chain->get(), i);
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(one)) != 0) continue;
    if (!covers(scope, one)) continue;
    says_something = true;
    X509_REVOKED* entry = nullptr;
    if (X509_CRL_get0_by_cert(crl.get(), &entry, one) != 1) continue;  // 2: taken off the list again
    auto const when = openssl::us_from(X509_REVOKED_get0_revocationDate(entry));
    auto const reason = reason_of(entry);
    bool const harms = !when || *when <= token.gen_time_us || !spares_older_tokens(reason);
    (harms ? findings.revoked : findings.later)
        .push_back(openssl::name_text(X509_get_subject_name(one)) + " was revoked" +
                   (when ? " at " + utc_text(*when) : "") + " (" + reason_text(reason) + ")");
  }
  ERR_clear_error();
  if (!says_something) return refused("it covers no certificate of the token's chain");
  return findings;
}

}  // namespace impound::evidence
