#include "evidence/timestamps/openssl_owners.h"

#include <openssl/pem.h>

#include <climits>
#include <ctime>

namespace impound::evidence::openssl {

std::optional<Certificates> certificates_from_pem(std::string_view pem, int count_max) {
  if (pem.size() > INT_MAX) return std::nullopt;
  Memory const text{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  Certificates found{sk_X509_new_null()};
  if (!text || !found) return std::nullopt;
  // A passphrase is never asked for: a certificate needs none, and there is no terminal to ask at.
  auto const no_passphrase = [](char*, int, int, void*) { return -1; };
  for (;;) {
    Certificate one{PEM_read_bio_X509(text.get(), nullptr, no_passphrase, nullptr)};
    if (!one) break;
    if (sk_X509_num(found.get()) >= count_max || sk_X509_push(found.get(), one.get()) == 0) return std::nullopt;
    (void)one.release();
  }
  // The end of the text says "no start line"; everything else is a broken certificate.
  bool const at_the_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_the_end) return std::nullopt;
  return found;
}

std::string name_text(X509_NAME const* name) {
  constexpr std::size_t bytes_max = 1'000;
  Memory const text{BIO_new(BIO_s_mem())};
  if (!text || X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  return std::string{text_in(text.get()).substr(0, bytes_max)};
}

std::optional<std::int64_t> us_from(ASN1_TIME const* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1'000'000;
}

}  // namespace impound::evidence::openssl
