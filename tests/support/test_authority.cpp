#include "tests/support/test_authority.h"

#include <doctest/doctest.h>
#include <openssl/cms.h>
#include <openssl/pem.h>

#include <ctime>
#include <vector>

namespace impound {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key new_key() {
  Key key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  REQUIRE(key);
  return key;
}

void extend(X509* certificate, X509* issuer, int nid, std::string const& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  REQUIRE(extension != nullptr);
  REQUIRE(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

void name(X509_NAME* who, std::string const& common) {
  auto const add = [who](char const* field, std::string const& text) {
    REQUIRE(X509_NAME_add_entry_by_txt(who, field, MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(text.c_str()),
                                       -1, -1, 0) == 1);
  };
  add("O", "impound tests");
  add("CN", common);
}

std::string pem_of(X509* certificate) {
  BIO* const text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(text, certificate);
  char* bytes = nullptr;
  long const size = BIO_get_mem_data(text, &bytes);
  std::string pem(bytes, static_cast<std::size_t>(size));
  BIO_free(text);
  return pem;
}

template <class T>
std::string der_of(int (*write)(T const*, unsigned char**), T const* object) {
  unsigned char* der = nullptr;
  int const size = write(object, &der);
  REQUIRE(size > 0);
  std::string bytes(reinterpret_cast<char const*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

/// The same TSTInfo under a signer that libcrypto's own authority would not sign with.
void sign_again(TS_RESP* reply, X509* signer, EVP_PKEY* key) {
  TS_TST_INFO* const facts = TS_TST_INFO_dup(TS_RESP_get_tst_info(reply));
  std::string const content = der_of(i2d_TS_TST_INFO, static_cast<TS_TST_INFO const*>(facts));
  constexpr unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_CADES | CMS_PARTIAL;
  BIO* const text = BIO_new_mem_buf(content.data(), static_cast<int>(content.size()));
  CMS_ContentInfo* const cms = CMS_sign(nullptr, nullptr, nullptr, text, flags);
  REQUIRE(cms != nullptr);
  CMS_set1_eContentType(cms, OBJ_nid2obj(NID_id_smime_ct_TSTInfo));
  REQUIRE(CMS_add1_signer(cms, signer, key, EVP_sha256(), flags) != nullptr);
  REQUIRE(CMS_final(cms, text, nullptr, flags) == 1);
  std::string const token = der_of(i2d_CMS_ContentInfo, static_cast<CMS_ContentInfo const*>(cms));
  auto const* at = reinterpret_cast<unsigned char const*>(token.data());
  TS_RESP_set_tst_info(reply, d2i_PKCS7(nullptr, &at, static_cast<long>(token.size())), facts);
  CMS_ContentInfo_free(cms);
  BIO_free(text);
}

}  // namespace

struct TestAuthority::State {
  Key root_key = new_key();
  Key middle_key = new_key();
  Key signer_key = new_key();
  Certificate root{nullptr, X509_free};
  Certificate middle{nullptr, X509_free};  // none: the root issues
  Certificate signer{nullptr, X509_free};
  Certificate fit{nullptr, X509_free};  // the signer with a key usage that libcrypto agrees to sign with
  long serial = 0x1000;
  bool usual = true;

  Certificate make(std::string const& common, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                   TestCertificates const& wanted, bool authority) {
    Certificate made{X509_new(), X509_free};
    REQUIRE(made);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
    ASN1_TIME_set(X509_getm_notBefore(made.get()), static_cast<std::time_t>(wanted.from_s));
    ASN1_TIME_set(X509_getm_notAfter(made.get()), static_cast<std::time_t>(wanted.until_s));
    name(X509_get_subject_name(made.get()), common);
    X509* const by = issuer == nullptr ? made.get() : issuer;
    X509_set_issuer_name(made.get(), X509_get_subject_name(by));
    X509_set_pubkey(made.get(), key);
    extend(made.get(), by, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(made.get(), by, NID_key_usage, authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (!authority && !wanted.usage.empty()) extend(made.get(), by, NID_ext_key_usage, wanted.usage);
    if (issuer != nullptr && !wanted.crl_url.empty())
      extend(made.get(), by, NID_crl_distribution_points, "URI:" + wanted.crl_url);
    REQUIRE(X509_sign(made.get(), issuer_key, EVP_sha256()) > 0);
    return made;
  }
};

TestAuthority::TestAuthority(std::string called, TestCertificates const& wanted) : state_(std::make_shared<State>()) {
  State& s = *state_;
  s.root = s.make("Root of " + called, s.root_key.get(), nullptr, s.root_key.get(), wanted, true);
  X509* issuer = s.root.get();
  EVP_PKEY* issuer_key = s.root_key.get();
  if (wanted.with_intermediate) {
    s.middle = s.make("Intermediate of " + called, s.middle_key.get(), issuer, issuer_key, wanted, true);
    issuer = s.middle.get();
    issuer_key = s.middle_key.get();
  }
  s.signer = s.make("Authority " + called, s.signer_key.get(), issuer, issuer_key, wanted, false);
  TestCertificates fit = wanted;
  fit.usage = TestCertificates{}.usage;
  s.usual = wanted.usage == fit.usage;
  if (!s.usual) s.fit = s.make("Authority " + called, s.signer_key.get(), issuer, issuer_key, fit, false);
}

std::string TestAuthority::root_pem() const { return pem_of(state_->root.get()); }
std::string TestAuthority::signer_pem() const { return pem_of(state_->signer.get()); }

std::string TestAuthority::reply(std::string_view query_der) {
  State& s = *state_;
  TS_RESP_CTX* const maker = TS_RESP_CTX_new();
  REQUIRE(maker != nullptr);
  REQUIRE(TS_RESP_CTX_set_signer_cert(maker, (s.usual ? s.signer : s.fit).get()) == 1);
  TS_RESP_CTX_set_signer_key(maker, s.signer_key.get());
  TS_RESP_CTX_set_signer_digest(maker, signer_digest);
  TS_RESP_CTX_set_ess_cert_id_digest(maker, ess_sha1 ? EVP_sha1() : EVP_sha256());
  TS_RESP_CTX_add_md(maker, EVP_sha256());
  ASN1_OBJECT* const policy = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
  TS_RESP_CTX_set_def_policy(maker, policy);
  ASN1_OBJECT_free(policy);
  if (with_accuracy) TS_RESP_CTX_set_accuracy(maker, 1, 500, 100);
  TS_RESP_CTX_set_clock_precision_digits(maker, 3);
  if (s.middle && with_certificates) {
    STACK_OF(X509)* const more = sk_X509_new_null();
    sk_X509_push(more, s.middle.get());
    TS_RESP_CTX_set_certs(maker, more);
    sk_X509_free(more);
  }
  TS_RESP_CTX_set_time_cb(
      maker,
      [](TS_RESP_CTX*, void* self, long* seconds, long* us) {
        *seconds = static_cast<long>(static_cast<TestAuthority*>(self)->now_s);
        *us = static_cast<TestAuthority*>(self)->now_us;
        return 1;
      },
      this);
  TS_RESP_CTX_set_serial_cb(
      maker,
      [](TS_RESP_CTX*, void* self) {
        ASN1_INTEGER* const number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, static_cast<TestAuthority*>(self)->state_->serial++);
        return number;
      },
      this);
  BIO* const query = BIO_new_mem_buf(query_der.data(), static_cast<int>(query_der.size()));
  TS_RESP* const made = TS_RESP_create_response(maker, query);
  BIO_free(query);
  if (made != nullptr && !s.usual) sign_again(made, s.signer.get(), s.signer_key.get());
  std::string der = made == nullptr ? "" : der_of(i2d_TS_RESP, made);
  TS_RESP_free(made);
  TS_RESP_CTX_free(maker);
  return der;
}

std::string TestAuthority::crl(std::int64_t this_update_s, std::int64_t next_update_s, Revoked const* revoked,
                               CrlShape const& shape) const {
  State const& s = *state_;
  bool const by_root = !s.middle || (revoked != nullptr && revoked->whom == Revoked::Whom::intermediate);
  X509* const issuer = by_root ? s.root.get() : s.middle.get();
  X509_CRL* const list = X509_CRL_new();
  X509_CRL_set_version(list, X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer));
  ASN1_TIME* time = ASN1_TIME_set(nullptr, static_cast<std::time_t>(this_update_s));
  X509_CRL_set1_lastUpdate(list, time);
  ASN1_TIME_set(time, static_cast<std::time_t>(next_update_s));
  if (shape.with_next_update) X509_CRL_set1_nextUpdate(list, time);
  if (!shape.scope.empty()) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, nullptr, nullptr, list, 0);
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION* const scope =
        X509V3_EXT_conf_nid(nullptr, &context, NID_issuing_distribution_point, shape.scope.c_str());
    REQUIRE(scope != nullptr);
    X509_CRL_add_ext(list, scope, -1);
    X509_EXTENSION_free(scope);
  }
  if (revoked != nullptr) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509* const whom = revoked->whom == Revoked::Whom::signer ? s.signer.get() : s.middle.get();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(whom));
    ASN1_TIME_set(time, static_cast<std::time_t>(revoked->at_s));
    X509_REVOKED_set_revocationDate(entry, time);
    if (revoked->reason >= 0) {
      ASN1_ENUMERATED* const reason = ASN1_ENUMERATED_new();
      ASN1_ENUMERATED_set(reason, revoked->reason);
      REQUIRE(X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0) == 1);
      ASN1_ENUMERATED_free(reason);
    }
    X509_CRL_add0_revoked(list, entry);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(list);
  REQUIRE(X509_CRL_sign(list, by_root ? s.root_key.get() : s.middle_key.get(), shape.digest) > 0);
  std::string der = der_of(i2d_X509_CRL, static_cast<X509_CRL const*>(list));
  X509_CRL_free(list);
  return der;
}

}  // namespace impound
