#include "evidence/warc/cipher_suite.h"

#include <openssl/ssl.h>

#include <map>
#include <memory>

namespace impound::evidence {

std::string iana_cipher_name(std::string const& openssl_name) {
  static std::map<std::string, std::string> const names = [] {
    std::map<std::string, std::string> found;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> const context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    if (!context || SSL_CTX_set_cipher_list(context.get(), "ALL:COMPLEMENTOFALL:@SECLEVEL=0") != 1) return found;
    STACK_OF(SSL_CIPHER)* const ciphers = SSL_CTX_get_ciphers(context.get());
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
      SSL_CIPHER const* const cipher = sk_SSL_CIPHER_value(ciphers, i);
      if (char const* const name = SSL_CIPHER_standard_name(cipher)) found.emplace(SSL_CIPHER_get_name(cipher), name);
    }
    return found;
  }();
  auto const found = names.find(openssl_name);
  return found == names.end() ? std::string{} : found->second;
}

}  // namespace impound::evidence
