// Owners of what libcrypto hands out, and its error queue as text. Private to timestamps/.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impound::evidence::openssl {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
inline void free_certificates(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
inline void free_stack_alone(STACK_OF(X509) * stack) { sk_X509_free(stack); }

using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Certificates = std::unique_ptr<STACK_OF(X509), Freed<free_certificates>>;
using BorrowedCertificates = std::unique_ptr<STACK_OF(X509), Freed<free_stack_alone>>;
using Memory = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Revocations = std::unique_ptr<X509_CRL, Freed<X509_CRL_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;
using Token = std::unique_ptr<PKCS7, Freed<PKCS7_free>>;
using Reply = std::unique_ptr<TS_RESP, Freed<TS_RESP_free>>;
using TokenFacts = std::unique_ptr<TS_TST_INFO, Freed<TS_TST_INFO_free>>;
using Judge = std::unique_ptr<TS_VERIFY_CTX, Freed<TS_VERIFY_CTX_free>>;

inline std::string_view text_in(BIO* memory) {
  char* bytes = nullptr;
  long const size = BIO_get_mem_data(memory, &bytes);
  return size > 0 ? std::string_view{bytes, static_cast<std::size_t>(size)} : std::string_view{};
}

/// libcrypto's first complaint since the queue was emptied; empties it.
inline std::string complaint() {
  char const* const reason = ERR_reason_error_string(ERR_peek_error());
  std::string text = reason == nullptr ? "libcrypto gives no reason" : reason;
  ERR_clear_error();
  return text;
}

/// Each certificate of a PEM text, in order; nothing when one is broken or there are more than `count_max`.
std::optional<Certificates> certificates_from_pem(std::string_view pem, int count_max);

/// RFC 2253, ASCII, cut at 1,000 bytes; as `openssl x509 -nameopt RFC2253` has it.
std::string name_text(X509_NAME const* name);

/// Microseconds since 1970; nothing when it is no time.
std::optional<std::int64_t> us_from(ASN1_TIME const* time);

}  // namespace impound::evidence::openssl
