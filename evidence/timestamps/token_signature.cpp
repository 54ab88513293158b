#include "evidence/timestamps/token_signature.h"

#include <openssl/pem.h>

#include <cstring>
#include <ctime>
#include <utility>

namespace impound::evidence {

namespace {

constexpr int chain_depth_max = 10;
/// 112 bits: RSA from 2,048 bits on, and no SHA-1 below the root (SSL_CTX_set_security_level(3) has the table).
constexpr int security_level = 2;

Error refused(std::string what) { return Error{Code::refused, "the time-stamp: " + std::move(what), {}, {}}; }
Error no_memory() { return Error{Code::io, "libcrypto has no memory", {}, {}}; }

/// RFC 3161 §2.3: "extKeyUsage with only one instance of KeyPurposeId, id-kp-timeStamping, and it MUST be critical".
/// libcrypto passes over purposes that it does not know; one of those is one too many as well.
Result<void> check_purpose(X509* signer) {
  int critical = -1;
  std::unique_ptr<EXTENDED_KEY_USAGE, openssl::Freed<EXTENDED_KEY_USAGE_free>> const purposes{
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(signer, NID_ext_key_usage, &critical, nullptr))};
  if (!purposes) return refused("the signer's certificate has no extended key usage (or two)");
  bool const alone = sk_ASN1_OBJECT_num(purposes.get()) == 1;
  if (!alone || OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes.get(), 0)) != NID_time_stamp)
    return refused("the extended key usage of the signer's certificate is not timeStamping alone");
  if (critical != 1) return refused("the extended key usage of the signer's certificate is not critical");
  return ok();
}

/// The one signer, whose digest algorithm still holds.
Result<PKCS7_SIGNER_INFO*> signer_of(PKCS7* token) {
  STACK_OF(PKCS7_SIGNER_INFO)* const signers = PKCS7_get_signer_info(token);
  if (signers == nullptr || sk_PKCS7_SIGNER_INFO_num(signers) != 1) return refused("it has not exactly one signer");
  PKCS7_SIGNER_INFO* const signer = sk_PKCS7_SIGNER_INFO_value(signers, 0);
  int const digest = OBJ_obj2nid(signer->digest_alg->algorithm);
  if (digest != NID_sha256 && digest != NID_sha384 && digest != NID_sha512)
    return refused("it is signed over a digest other than SHA-256, SHA-384 and SHA-512");
  return signer;
}

/// Roots with what a judgement at `seconds` demands.
Result<openssl::Store> store_at(TrustedRoots::Certificates const& given, std::int64_t seconds) {
  openssl::Store store{X509_STORE_new()};
  if (!store) return no_memory();
  for (int i = 0; i < sk_X509_num(given.roots.get()); ++i)
    if (X509_STORE_add_cert(store.get(), sk_X509_value(given.roots.get(), i)) != 1) return no_memory();
  X509_VERIFY_PARAM* const demands = X509_STORE_get0_param(store.get());
  X509_VERIFY_PARAM_set_time(demands, static_cast<std::time_t>(seconds));
  X509_VERIFY_PARAM_set_depth(demands, chain_depth_max);
  X509_VERIFY_PARAM_set_auth_level(demands, security_level);
  return store;
}

/// The certificates that may stand between signer and root: the token's own and those given beside the roots.
Result<openssl::Certificates> between(PKCS7* token, TrustedRoots::Certificates const& given) {
  openssl::Certificates all{sk_X509_new_null()};
  if (!all) return no_memory();
  for (STACK_OF(X509) * some : {token->d.sign->cert, given.others.get()})
    if (some != nullptr && X509_add_certs(all.get(), some, X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) != 1)
      return no_memory();
  return all;
}

Result<openssl::Certificates> chain_of(X509* signer, STACK_OF(X509) * between, X509_STORE* store) {
  openssl::StoreContext const walk{X509_STORE_CTX_new()};
  if (!walk || X509_STORE_CTX_init(walk.get(), store, signer, between) != 1 ||
      X509_STORE_CTX_set_purpose(walk.get(), X509_PURPOSE_TIMESTAMP_SIGN) != 1)
    return no_memory();
  if (X509_verify_cert(walk.get()) != 1) {
    int const why = X509_STORE_CTX_get_error(walk.get());
    X509 const* const which = X509_STORE_CTX_get_current_cert(walk.get());
    return refused("its certificates do not hold at its time: " + std::string(X509_verify_cert_error_string(why)) +
                   (which == nullptr ? "" : ", " + openssl::name_text(X509_get_subject_name(which))));
  }
  openssl::Certificates chain{X509_STORE_CTX_get1_chain(walk.get())};
  if (!chain || sk_X509_num(chain.get()) < 1) return no_memory();
  return chain;
}

/// The signature itself, the ESS ids and the name in the token, as `openssl ts -verify` judges them.
Result<void> check_signature(PKCS7* token, TrustedRoots::Certificates const& given, X509_STORE* store) {
  openssl::Judge const judge{TS_VERIFY_CTX_new()};
  if (!judge) return no_memory();
  TS_VERIFY_CTX_set_flags(judge.get(), TS_VFY_VERSION | TS_VFY_SIGNER | TS_VFY_SIGNATURE);
  X509_STORE_up_ref(store);
  TS_VERIFY_CTX_set_store(judge.get(), store);
  STACK_OF(X509)* const others = X509_chain_up_ref(given.others.get());
  if (others == nullptr) return no_memory();
  TS_VERIFY_CTX_set_certs(judge.get(), others);
  if (TS_RESP_verify_token(judge.get(), token) != 1)
    return refused("its signature does not hold: " + openssl::complaint());
  return ok();
}

Result<std::string> pem_of(STACK_OF(X509) * chain) {
  openssl::Memory const text{BIO_new(BIO_s_mem())};
  if (!text) return no_memory();
  for (int i = 0; i < sk_X509_num(chain); ++i)
    if (PEM_write_bio_X509(text.get(), sk_X509_value(chain, i)) != 1) return no_memory();
  return std::string{openssl::text_in(text.get())};
}

}  // namespace

Sha256 fingerprint(X509* certificate) {
  Sha256 digest;
  unsigned size = 0;
  unsigned char bytes[EVP_MAX_MD_SIZE];
  if (X509_digest(certificate, EVP_sha256(), bytes, &size) == 1 && size == Sha256::size)
    std::memcpy(digest.bytes.data(), bytes, size);
  return digest;
}

Result<TokenSigner> judge_signature(PKCS7* token, TrustedRoots const& roots, std::int64_t gen_time_us) {
  ERR_clear_error();
  TrustedRoots::Certificates const& given = roots.certificates();
  IMPOUND_TRY(signer, signer_of(token));
  openssl::BorrowedCertificates const signers{PKCS7_get0_signers(token, given.others.get(), 0)};
  if (!signers || sk_X509_num(signers.get()) != 1) {
    ERR_clear_error();
    return refused("the certificate of its signer is neither in it nor beside the roots");
  }
  X509* const certificate = sk_X509_value(signers.get(), 0);
  IMPOUND_CHECK(check_purpose(certificate));
  bool const v2 = PKCS7_get_signed_attribute(signer, NID_id_smime_aa_signingCertificateV2) != nullptr;
  if (!v2 && PKCS7_get_signed_attribute(signer, NID_id_smime_aa_signingCertificate) == nullptr)
    return refused("no signed attribute names the certificate of its signer");
  IMPOUND_TRY(store, store_at(given, gen_time_us / 1'000'000));
  IMPOUND_TRY(others, between(token, given));
  IMPOUND_TRY(chain, chain_of(certificate, others.get(), store.get()));
  IMPOUND_CHECK(check_signature(token, given, store.get()));
  TokenSigner result;
  result.subject = openssl::name_text(X509_get_subject_name(certificate));
  if (result.subject.empty()) return refused("the certificate of its signer names nobody");
  result.root_sha256 = fingerprint(sk_X509_value(chain.get(), sk_X509_num(chain.get()) - 1));
  result.ess_v2 = v2;
  IMPOUND_TRY(pem, pem_of(chain.get()));
  result.chain_pem = std::move(pem);
  ERR_clear_error();
  return result;
}

}  // namespace impound::evidence
