// One transfer as libcurl runs it: what is set on its handle and what its callbacks write down. For fetchers/http
// alone.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "evidence/values/error.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/http/client.h"
#include "fetchers/http/exchange.h"

namespace impound::fetchers {

/// What libcurl's callbacks see of one transfer. They are called by C code, so none of them lets an exception out.
struct Transfer {
  Exchange& exchange;
  HttpLimits const& limits;
  AddressPolicy const& policy;
  bool exempt = false;
  std::uint16_t port = 0;
  Proxy const* proxy = nullptr;
  decltype(HttpRequest::sink) const* sink = nullptr;  // null without one
  bool keep_connection = false;
  CURL* handle = nullptr;
  std::string const* host = nullptr;  // of the URL
  bool certificates = false;
  bool handshake_read = false;
  std::size_t head_bytes = 0;
  bool head_open = false;   // lines of a head are coming in
  bool head_whole = false;  // the final head is there
  bool head_too_long = false, body_too_long = false, cancelled = false, out_of_memory = false;
  bool sink_full = false;                       // it wanted no more
  std::optional<Error> refused = std::nullopt;  // by the address policy
};

/// Status and headers of a final head that is whole.
void read_head(Transfer& transfer);

/// Sets all options but those that say what is asked for. `transfer` must outlive the handle's use.
void prepare(CURL* handle, Transfer& transfer);

}  // namespace impound::fetchers
