#include "fetchers/http/transfer.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "fetchers/http/handshake.h"
#include "fetchers/http/response_head.h"

namespace impound::fetchers {

namespace {

/// Runs a callback's body; running out of memory becomes `failing` for libcurl and is told afterwards.
template <class Value, class Body>
Value guarded(Transfer& transfer, Value failing, Body body) noexcept {
  try {
    return body();
  } catch (...) {
    transfer.out_of_memory = true;
    return failing;
  }
}

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  return guarded(transfer, std::size_t{0}, [&]() -> std::size_t {
    std::string_view const line(bytes, size * count);
    if (transfer.head_whole) return line.size();  // trailers: they are in the body as received
    if (!std::exchange(transfer.handshake_read, true))
      read_handshake(transfer.handle, *transfer.host, transfer.certificates, transfer.exchange);
    transfer.head_bytes += line.size();
    if (transfer.head_bytes > transfer.limits.head_bytes_max) {
      transfer.head_too_long = true;
      return 0;
    }
    Exchange& exchange = transfer.exchange;
    exchange.response_head += line;
    if (line != "\r\n" && line != "\n") {
      transfer.head_open = true;
      return line.size();
    }
    if (!transfer.head_open) return line.size();
    transfer.head_open = false;
    int const status = read_response_head(exchange.response_head).status;
    if (status >= 100 && status < 200 && status != 101) {
      exchange.interim_heads += exchange.response_head;  // 100 Continue, 103 Early Hints: the final head follows
      exchange.response_head.clear();
    } else {
      transfer.head_whole = true;
    }
    return line.size();
  });
}

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  return guarded(transfer, std::size_t{0}, [&]() -> std::size_t {
    std::size_t const came = size * count;
    Exchange& exchange = transfer.exchange;
    if (transfer.sink != nullptr && exchange.status == 0) read_head(transfer);
    if (transfer.sink != nullptr && exchange.status >= 200 && exchange.status < 300) {
      exchange.sunk_bytes += came;
      transfer.sink_full = !(*transfer.sink)(exchange, {bytes, came});
      return transfer.sink_full ? 0 : came;
    }
    auto const room = transfer.limits.bytes_max - transfer.exchange.response_body.size();
    transfer.exchange.response_body.append(bytes, static_cast<std::size_t>(std::min<std::uint64_t>(came, room)));
    if (came <= room) return came;
    transfer.body_too_long = true;
    return 0;
  });
}

int on_debug(CURL*, curl_infotype type, char* bytes, std::size_t size, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  return guarded(transfer, 0, [&] {
    // What is said to the proxy before the host hears anything is no part of the exchange.
    bool const to_proxy = transfer.proxy != nullptr && type == CURLINFO_HEADER_OUT &&
                          transfer.exchange.request.empty() && std::string_view(bytes, size).starts_with("CONNECT ");
    if ((type == CURLINFO_HEADER_OUT && !to_proxy) || type == CURLINFO_DATA_OUT)
      transfer.exchange.request.append(bytes, size);
    return 0;
  });
}

/// P4 stands here: with a proxy, nothing but its address is dialled.
bool is_proxy(IpAddress const& address, curl_sockaddr const& to, Proxy const& proxy) {
  auto const port = to.family == AF_INET6 ? reinterpret_cast<sockaddr_in6 const*>(&to.addr)->sin6_port
                                          : reinterpret_cast<sockaddr_in const*>(&to.addr)->sin_port;
  return IpAddress::parse(proxy.address) == address && ntohs(port) == proxy.port;
}

/// Right before a request leaves, by a new connection or a kept one: what was said on one that was dead is said again.
int on_begin(void* data, char*, char*, int, int) {
  static_cast<Transfer*>(data)->exchange.request.clear();
  return CURL_PREREQFUNC_OK;
}

/// P5 stands here: every address that libcurl is about to dial, whatever name or redirect led to it.
curl_socket_t on_open_socket(void* data, curlsocktype purpose, curl_sockaddr* to) {
  auto& transfer = *static_cast<Transfer*>(data);
  return guarded(transfer, curl_socket_t{CURL_SOCKET_BAD}, [&]() -> curl_socket_t {
    auto const address = purpose == CURLSOCKTYPE_IPCXN ? IpAddress::from(&to->addr, to->addrlen) : std::nullopt;
    if (!address) {
      transfer.refused = Error{Code::refused, "not an IP connection", {}, {}};
      return CURL_SOCKET_BAD;
    }
    if (transfer.proxy != nullptr) {
      if (is_proxy(*address, *to, *transfer.proxy))
        return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
      transfer.refused = Error{Code::refused, "not the route's proxy", address->text(), {}};
      return CURL_SOCKET_BAD;
    }
    if (auto const allowed = transfer.policy.check(*address, transfer.port, transfer.exempt); !allowed) {
      transfer.refused = allowed.error();
      return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  });
}

int on_progress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(data);
  return guarded(transfer, 1, [&] {
    transfer.cancelled = transfer.limits.cancelled && transfer.limits.cancelled();
    return transfer.cancelled ? 1 : 0;
  });
}

long milliseconds(std::chrono::milliseconds time) { return std::max<long>(1, static_cast<long>(time.count())); }

/// What keeps a transfer from doing more than it was asked for.
void set_what_is_not_done(CURL* handle) {
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");  // not "" would be $http_proxy
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  curl_easy_setopt(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(handle, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(handle, CURLOPT_HTTP_CONTENT_DECODING, 0L);
}

/// Names go to the proxy as they are (CURLPROXY_SOCKS5_HOSTNAME); whatever it cannot carry goes nowhere.
void set_proxy(CURL* handle, Proxy const& proxy) {
  curl_easy_setopt(handle, CURLOPT_PROXY, proxy.text().c_str());
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "");
  curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(handle, CURLOPT_SOCKS5_AUTH, CURLAUTH_BASIC);  // GSS-API is not offered; a password is never set
}

void set_limits(CURL* handle, HttpLimits const& limits) {
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.connect_timeout));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, milliseconds(limits.timeout));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(limits.slow_bytes_per_second));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits.slow_seconds.count()));
}

void set_callbacks(CURL* handle, Transfer& transfer) {
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, on_debug);
  curl_easy_setopt(handle, CURLOPT_DEBUGDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);  // or the debug callback is silent
  curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, on_begin);
  curl_easy_setopt(handle, CURLOPT_PREREQDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
}

}  // namespace

void read_head(Transfer& transfer) {
  Exchange& exchange = transfer.exchange;
  if (!transfer.head_whole) return;
  ResponseHead head = read_response_head(exchange.response_head);
  exchange.status = head.status;
  exchange.http_version = std::move(head.version);
  exchange.headers = std::move(head.headers);
  exchange.chunked = head.chunked;
}

void prepare(CURL* handle, Transfer& transfer) {
  transfer.handle = handle;
  set_what_is_not_done(handle);
  curl_easy_setopt(handle, CURLOPT_HTTP_TRANSFER_DECODING, transfer.sink != nullptr ? 1L : 0L);  // else as it came
  // Of one that is kept, the policy was asked when it was opened: to the same scheme, host and port, exempt from
  // nothing.
  bool const anew = !transfer.keep_connection;
  curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, anew ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, anew ? 1L : 0L);
  if (transfer.proxy != nullptr) set_proxy(handle, *transfer.proxy);
  set_limits(handle, transfer.limits);
  set_callbacks(handle, transfer);
}

}  // namespace impound::fetchers
