#include "fetchers/http/asked.h"

#include <algorithm>
#include <mutex>

#include "fetchers/http/chunked.h"

namespace impound::fetchers {

namespace {

// Told to sites in no header; only bounds what a stranger's Location can put into an error.
constexpr std::size_t shown_bytes_max = 200;

bool sendable(std::string_view name, std::string_view value) {
  bool const token = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return token && std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c != 0x7f; });
}

using Headers = std::unique_ptr<curl_slist, HeadersFree>;

Result<Headers> header_list(HttpRequest const& request) {
  Headers list;
  for (auto const& [name, value] : request.headers) {
    if (!sendable(name, value))
      return Error{Code::refused, "a request header that cannot be sent", name.substr(0, shown_bytes_max), {}};
    auto* const longer = curl_slist_append(list.get(), (name + (value.empty() ? ";" : ": " + value)).c_str());
    if (longer == nullptr) return Error{Code::io, "out of memory", {}, {}};
    static_cast<void>(list.release());
    list.reset(longer);
  }
  return list;
}

using Posted = std::optional<std::string_view>;

void set_what_is_asked(CURL* handle, HttpRequest const& request, Posted posted, std::string const& user_agent,
                       curl_slist* headers) {
  curl_easy_setopt(handle, CURLOPT_URL, request.url.text().c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);  // Url has resolved dots already; what it says is what is sent
  if (posted) {
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(posted->size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, posted->data());
  } else {
    curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
  }
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION,
                   request.http2 ? long{CURL_HTTP_VERSION_2TLS} : long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(handle, CURLOPT_USERAGENT, user_agent.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  if (!request.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, request.ca_file.c_str());
  bool const verify = request.trust == Trust::verify;
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
}

Error error_of(CURLcode code, char const* detail, std::string const& url) {
  std::string const why = *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return {Code::unreachable, "the host's name was not found", url, {}};
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY: return {Code::unreachable, "the proxy does not reach it (" + why + ")", url, {}};
    case CURLE_COULDNT_CONNECT: return {Code::unreachable, "no connection (" + why + ")", url, {}};
    case CURLE_OPERATION_TIMEDOUT: return {Code::timeout, "no answer in time", url, {}};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR: return {Code::unreachable, "no trusted TLS connection (" + why + ")", url, {}};
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR: return {Code::unreachable, "the connection was closed without an answer", url, {}};
    case CURLE_OUT_OF_MEMORY:  // libcurl's own bound on one header line, 100 KiB
      return {Code::refused, "the answer's head is too long", url, {}};
    case CURLE_RECV_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return {Code::malformed, "the answer is no HTTP (" + why + ")", url, {}};
    default: return {Code::unreachable, why, url, {}};
  }
}

/// Says in the exchange how the transfer ended.
void judge(Transfer const& transfer, CURLcode code, char const* detail) {
  Exchange& exchange = transfer.exchange;
  auto const fail = [&](Error error) { exchange.failed = std::move(error); };
  if (transfer.out_of_memory) return fail({Code::io, "out of memory", exchange.url, {}});
  if (transfer.cancelled) {
    if (!exchange.response_head.empty()) exchange.truncated = "unspecified";  // what came of the answer is a part of it
    return fail({Code::cancelled, "stopped", exchange.url, {}});
  }
  if (transfer.head_too_long) return fail({Code::refused, "the answer's head is too long", exchange.url, {}});
  if (transfer.body_too_long) {
    exchange.truncated = "length";
    return;
  }
  if (transfer.sink_full) {
    exchange.truncated = "unspecified";
    return;
  }
  if (code == CURLE_OK) {
    if (exchange.status == 0) fail({Code::malformed, "the answer is no HTTP", exchange.url, {}});
    return;
  }
  if (transfer.refused && exchange.request.empty()) {
    Error refused = *transfer.refused;
    refused.where = exchange.url + " at " + refused.where;
    return fail(std::move(refused));
  }
  if (code == CURLE_OPERATION_TIMEDOUT && transfer.head_whole) {
    exchange.truncated = "time";
    return;
  }
  if ((code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR) && transfer.head_whole) {
    exchange.truncated = "disconnect";
    return;
  }
  if (!exchange.response_head.empty()) exchange.truncated = code == CURLE_OPERATION_TIMEDOUT ? "time" : "disconnect";
  fail(error_of(code, detail, exchange.url));
}

/// libcurl left the coding in place; what it found wrong with it counts less than what is found here, in the kept
/// bytes.
void undo_transfer_coding(Exchange& exchange, bool decoded) {
  bool const bodiless = exchange.status == 204 || exchange.status == 304;
  if (!exchange.chunked || bodiless || decoded) {
    exchange.body = exchange.response_body;
    return;
  }
  Dechunked plain = dechunk(exchange.response_body);
  exchange.body = std::move(plain.body);
  if (exchange.failed) return;
  if (plain.end == ChunkedEnd::malformed) {
    if (exchange.truncated == "disconnect") exchange.truncated.clear();
    exchange.failed = Error{Code::malformed, "the answer's chunked coding is broken", exchange.url, {}};
  } else if (plain.end == ChunkedEnd::cut && exchange.truncated.empty()) {
    exchange.truncated = "disconnect";
  }
}

void read_connection(CURL* handle, Exchange& exchange) {
  if (exchange.resolved_by_proxy) return;  // it would be the proxy's
  char* ip = nullptr;
  long port = 0;
  if (curl_easy_getinfo(handle, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip != nullptr) exchange.remote_ip = ip;
  if (curl_easy_getinfo(handle, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK && port > 0 && port <= 65'535)
    exchange.remote_port = static_cast<std::uint16_t>(port);
}

}  // namespace

Asked::Asked(Asking const& asking, HttpRequest const& request, HttpLimits const& limits, Posted posted,
             bool keep_connection, bool exempt)
    : asking_(asking),
      request_(request),
      posted_(posted),
      exempt_(exempt && exempt_here(request)),
      transfer_{
          exchange_, limits, asking.policy, exempt_, request.url.port(), asking.proxy ? &*asking.proxy : nullptr} {
  exchange_.url = request.url.text();
  exchange_.started_us = exchange_.ended_us = asking.clock.utc_us();
  transfer_.sink = request.sink ? &request.sink : nullptr;
  transfer_.keep_connection = keep_connection;
  transfer_.host = &request.url.host();
  transfer_.certificates = request.certificates;
}

bool Asked::may_be_asked() {
  Url const& url = request_.url;
  if (url.host_kind() == HostKind::onion && !asking_.proxy) {
    exchange_.failed = Error{Code::refused, "an onion name needs a proxy", exchange_.url, {}};
  } else if (url.host_kind() == HostKind::local && asking_.proxy && !exempt_) {
    exchange_.failed = Error{Code::refused, "a local name is not asked of a proxy", exchange_.url, {}};
  } else if (url.is_literal()) {
    // Said before anything is opened; checked again when it is.
    if (auto const literal = asking_.policy.check(url.host(), url.port(), exempt_); !literal) {
      exchange_.failed = literal.error();
      exchange_.failed->where = exchange_.url;
    }
  }
  return !exchange_.failed;
}

bool Asked::begin(CURL* handle) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (!may_be_asked()) return false;
  exchange_.resolved_by_proxy = asking_.proxy.has_value();
  auto headers = header_list(request_);
  if (!headers) {
    exchange_.failed = headers.error();
    return false;
  }
  if (handle == nullptr) {
    exchange_.failed = Error{Code::io, "out of memory", {}, {}};
    return false;
  }
  headers_ = std::move(headers).value();
  handle_ = handle;
  curl_easy_reset(handle);  // options; connections stay
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail_.data());
  prepare(handle, transfer_);
  set_what_is_asked(handle, request_, posted_, asking_.user_agent, headers_.get());
  return true;
}

void Asked::end(CURLcode code) {
  read_connection(handle_, exchange_);
  read_head(transfer_);
  judge(transfer_, code, detail_.data());
  undo_transfer_coding(exchange_, transfer_.sink != nullptr);
  exchange_.ended_us = asking_.clock.utc_us();
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, nullptr);
}

bool exempt_here(HttpRequest const& request) {
  return request.exempt && request.exempt->host == request.url.host() && request.exempt->port == request.url.port();
}

std::string sendable_agent(std::string user_agent) {
  std::erase_if(user_agent, [](char c) { return c < ' ' || c > '~'; });
  return user_agent;
}

}  // namespace impound::fetchers
