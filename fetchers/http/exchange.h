// One HTTP exchange as it went over the wire: everything a WARC request and response record need, as values.
//
// What came is kept even when it was cut or wrong. `failed` is set when there is no response that could be used:
// nothing was sent, no complete head came, or the body's framing is broken. A body that was cut has `truncated` and
// what came of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evidence/values/error.h"

namespace impound::fetchers {

struct Exchange {
  std::string url;            // as asked for, without a fragment: WARC-Target-URI
  std::string request;        // the bytes sent
  std::string interim_heads;  // 1xx heads as received, before the final one
  std::string response_head;  // status line to the empty line, as received
  std::string response_body;  // as received: transfer coding kept
  std::string body;           // transfer coding undone (content coding is kept): what WARC-Payload-Digest is over
  int status = 0;             // of the final head; 0 when there is none
  std::vector<std::pair<std::string, std::string>> headers;  // of the final head: names as received, values trimmed
  std::string remote_ip;                                     // of the connection; "" when there was none
  std::uint16_t remote_port = 0;
  bool resolved_by_proxy = false;             // then no address is known: the proxy found it
  std::int64_t started_us = 0, ended_us = 0;  // UTC
  std::string truncated;  // "", "length" (our limit), "time" (a deadline), "disconnect" (they left early),
                          // "unspecified" (we were stopped)
  std::optional<Error> failed;
  bool chunked = false;
  std::string http_version;               // "1.1", "1.0" as the final head says; "2": both heads are libcurl's
                                          // reconstructions (RFC 9113 has fields where HTTP/1.1 has lines)
  std::string tls_protocol;               // "TLSv1.3"; "" for http
  std::string tls_cipher;                 // by OpenSSL's name
  std::string tls_problem;                // why its certificate is not trusted; only where that was to be recorded
  std::vector<std::string> certificates;  // of that connection: DER, the server's own first; asked for by the request
  std::uint64_t sunk_bytes = 0;           // of the body that went to the request's sink

  bool redirect() const { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }
  /// The first header of that name (any case), if there is one.
  std::optional<std::string_view> header(std::string_view name) const;
};

}  // namespace impound::fetchers
