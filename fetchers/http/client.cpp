#include "fetchers/http/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "fetchers/http/chunked.h"
#include "fetchers/http/response_head.h"
#include "fetchers/http/transfer.h"

namespace impound::fetchers {

namespace {

// Told to sites in no header; only bounds what a stranger's Location can put into an error.
constexpr std::size_t shown_bytes_max = 200;

struct CurlClose {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

bool sendable(std::string_view name, std::string_view value) {
  bool const token = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return token && std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c != 0x7f; });
}

using Headers = std::unique_ptr<curl_slist, CurlClose>;

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
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(handle, CURLOPT_USERAGENT, user_agent.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  if (!request.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, request.ca_file.c_str());
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

void read_head(Transfer const& transfer) {
  Exchange& exchange = transfer.exchange;
  if (!transfer.head_whole) return;
  ResponseHead head = read_response_head(exchange.response_head);
  exchange.status = head.status;
  exchange.http_version = std::move(head.version);
  exchange.headers = std::move(head.headers);
  exchange.chunked = head.chunked;
}

/// libcurl left the coding in place; what it found wrong with it counts less than what is found here, in the kept
/// bytes.
void undo_transfer_coding(Exchange& exchange) {
  bool const bodiless = exchange.status == 204 || exchange.status == 304;
  if (!exchange.chunked || bodiless) {
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

bool exempt_here(HttpRequest const& request) {
  return request.exempt && request.exempt->host == request.url.host() && request.exempt->port == request.url.port();
}

void perform(HttpRequest const& request, Posted posted, std::string const& user_agent, Transfer& transfer) {
  Exchange& exchange = transfer.exchange;
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  auto headers = header_list(request);
  if (!headers) {
    exchange.failed = headers.error();
    return;
  }
  std::unique_ptr<CURL, CurlClose> const handle(curl_easy_init());
  if (!handle) {
    exchange.failed = Error{Code::io, "out of memory", {}, {}};
    return;
  }
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, detail);
  set_what_is_asked(handle.get(), request, posted, user_agent, headers.value().get());
  prepare(handle.get(), transfer);
  CURLcode const code = curl_easy_perform(handle.get());
  read_connection(handle.get(), exchange);
  read_head(transfer);
  judge(transfer, code, detail);
  undo_transfer_coding(exchange);
}

}  // namespace

HttpClient::HttpClient(Clock& clock, AddressPolicy const& policy, std::string user_agent, std::optional<Proxy> proxy)
    : clock_(clock), policy_(policy), user_agent_(std::move(user_agent)), proxy_(std::move(proxy)) {
  std::erase_if(user_agent_, [](char c) { return c < ' ' || c > '~'; });
}

Exchange HttpClient::get(HttpRequest const& request, HttpLimits const& limits) { return ask(request, {}, limits); }

Exchange HttpClient::post(HttpRequest const& request, std::string_view body, HttpLimits const& limits) {
  return ask(request, body, limits);
}

Exchange HttpClient::ask(HttpRequest const& request, Posted posted, HttpLimits const& limits) {
  Exchange exchange;
  exchange.url = request.url.text();
  exchange.started_us = clock_.utc_us();
  bool const exempt = exempt_here(request);
  if (request.url.host_kind() == HostKind::onion && !proxy_) {
    exchange.failed = Error{Code::refused, "an onion name needs a proxy", exchange.url, {}};
  } else if (request.url.host_kind() == HostKind::local && proxy_ && !exempt) {
    exchange.failed = Error{Code::refused, "a local name is not asked of a proxy", exchange.url, {}};
  } else if (auto const literal = request.url.is_literal()
                                      ? policy_.check(request.url.host(), request.url.port(), exempt)
                                      : Result<void>(ok());
             !literal) {
    exchange.failed = literal.error();  // said before anything is opened; checked again when it is
    exchange.failed->where = exchange.url;
  } else {
    exchange.resolved_by_proxy = proxy_.has_value();
    Transfer transfer{exchange, limits, policy_, exempt, request.url.port(), proxy_ ? &*proxy_ : nullptr};
    perform(request, posted, user_agent_, transfer);
  }
  exchange.ended_us = clock_.utc_us();
  return exchange;
}

std::vector<Exchange> HttpClient::follow(HttpRequest const& request, HttpLimits const& limits, std::size_t hops_max) {
  std::vector<Exchange> chain;
  HttpRequest next = request;
  while (true) {
    chain.push_back(get(next, limits));
    Exchange const& last = chain.back();
    if (last.failed || !last.redirect()) return chain;
    auto const location = last.header("location");
    if (!location) return chain;
    Exchange refused;
    refused.started_us = refused.ended_us = clock_.utc_us();
    auto target = next.url.resolve(*location);
    if (!target) {
      refused.url = std::string(location->substr(0, shown_bytes_max));
      refused.failed = target.error();
      chain.push_back(std::move(refused));
      return chain;
    }
    if (chain.size() > hops_max) {
      refused.url = target.value().text();
      refused.failed =
          Error{Code::refused, "more than " + std::to_string(hops_max) + " redirects", request.url.text(), {}};
      chain.push_back(std::move(refused));
      return chain;
    }
    // What was meant for one origin (a token, an API key) is told to no other.
    if (!target.value().same_origin(request.url)) next.headers.clear();
    next.url = std::move(target).value();
  }
}

}  // namespace impound::fetchers
