// Names of TLS cipher suites: OpenSSL's own and those of the IANA, which WARC-Cipher-Suite has. Any thread.
#pragma once

#include <string>

namespace impound::evidence {

/// "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" of "ECDHE-RSA-AES128-GCM-SHA256"; "" for a name that OpenSSL does not know.
std::string iana_cipher_name(std::string const& openssl_name);

}  // namespace impound::evidence
