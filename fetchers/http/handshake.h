// What a TLS connection's own handshake said, read while a transfer goes over it: also of a connection that was opened
// for an earlier one. For fetchers/http alone; the thread that runs the transfer.
#pragma once

#include <curl/curl.h>

#include <string>

#include "fetchers/http/exchange.h"

namespace impound::fetchers {

/// Sets tls_protocol, tls_cipher, tls_problem and, where `certificates`, the chain; nothing without TLS. `host`: whom
/// the certificate must be for. Callable from libcurl's callbacks once the connection is made.
void read_handshake(CURL* handle, std::string const& host, bool certificates, Exchange& exchange);

}  // namespace impound::fetchers
