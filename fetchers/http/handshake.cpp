#include "fetchers/http/handshake.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "fetchers/ip_address.h"

namespace impound::fetchers {

namespace {

constexpr int certificates_max = 10;

struct Free {
  void operator()(X509* one) const { X509_free(one); }
  void operator()(unsigned char* one) const { OPENSSL_free(one); }
};

std::string der_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  int const size = i2d_X509(certificate, &bytes);
  std::unique_ptr<unsigned char, Free> const owned(bytes);
  return size > 0 ? std::string(reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size)) : std::string();
}

/// Why it would not have been trusted, "" when it is.
std::string problem_of(SSL const* tls, X509* certificate, std::string const& host) {
  if (long const verified = SSL_get_verify_result(tls); verified != X509_V_OK)
    return X509_verify_cert_error_string(verified);
  bool const literal = IpAddress::parse(host).has_value();
  int const named = literal ? X509_check_ip_asc(certificate, host.c_str(), 0)
                            : X509_check_host(certificate, host.c_str(), host.size(), 0, nullptr);
  return named == 1 ? std::string() : "the certificate is for another name";
}

}  // namespace

void read_handshake(CURL* handle, std::string const& host, bool certificates, Exchange& exchange) {
  curl_tlssessioninfo* session = nullptr;
  if (curl_easy_getinfo(handle, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == nullptr ||
      session->backend != CURLSSLBACKEND_OPENSSL || session->internals == nullptr)
    return;
  auto const* const tls = static_cast<SSL const*>(session->internals);
  exchange.tls_protocol = SSL_get_version(tls);
  if (char const* const cipher = SSL_get_cipher_name(tls); cipher != nullptr) exchange.tls_cipher = cipher;
  std::unique_ptr<X509, Free> const own(SSL_get1_peer_certificate(tls));
  exchange.tls_problem = own ? problem_of(tls, own.get(), host) : "the server has no certificate";
  if (!certificates) return;
  exchange.certificates.clear();
  STACK_OF(X509) const* const chain = SSL_get_peer_cert_chain(tls);  // with the server's own
  for (int i = 0; i < std::min(sk_X509_num(chain), certificates_max); ++i)
    exchange.certificates.push_back(der_of(sk_X509_value(chain, i)));
  if (exchange.certificates.empty() && own) exchange.certificates.push_back(der_of(own.get()));
}

}  // namespace impound::fetchers
