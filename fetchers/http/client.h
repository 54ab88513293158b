// Asks one URL at a time over libcurl and gives back the exchange byte for byte; whatever happens is told in the
// Exchange.
//
// Promises: HTTP/1.1 over http and https only, certificates verified; no cookies, no stored credentials, no proxy from
// the environment, no redirect that was not asked for. The address policy is asked about every address that is dialled
// (P5): each exchange has a new connection, or, with Connections::kept, one to the very same scheme, host and port that
// passed it before. Nothing throws and nothing touches signals. One client belongs to one thread at a time. A body is
// held in memory up to `bytes_max`, unless the request has a sink.
// With a proxy (P4) nothing but the proxy's address is dialled and no name is looked up here; names that are local are
// not asked of it, and literal addresses are judged by the policy as without one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evidence/system/clock.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/http/exchange.h"
#include "fetchers/proxy.h"
#include "fetchers/url.h"

namespace impound::fetchers {

inline constexpr std::size_t redirects_max = 10;  // in a chain

struct HttpLimits {
  std::uint64_t bytes_max = 16u << 20;                // of the body as received; more is cut: truncated = "length"
  std::uint64_t head_bytes_max = 64u << 10;           // of all heads together; more fails the exchange
  std::chrono::milliseconds connect_timeout{20'000};  // look-up, connect and TLS
  std::chrono::milliseconds timeout{120'000};         // the whole exchange: truncated = "time"
  std::uint64_t slow_bytes_per_second = 1;            // slower than this for slow_seconds is a timeout, too
  std::chrono::seconds slow_seconds{60};
  std::function<bool()> cancelled = nullptr;  // asked at least once a second while a transfer runs
};

enum class Trust {
  verify,  // no answer from a server whose certificate is not trusted
  record,  // its answer is taken, and why the certificate is not trusted stands in Exchange::tls_problem
};

struct HttpRequest {
  Url url;
  std::vector<std::pair<std::string, std::string>> headers = {};  // User-Agent and Host are set by the client
  std::optional<Exemption> exempt = std::nullopt;                 // set only for what the operator named
  std::string ca_file = {};                                       // PEM; trusted instead of the system's authorities
  bool certificates = false;                                      // keep the server's
  Trust trust = Trust::verify;                                    // of its certificate
  bool http2 = false;                                             // over TLS, where the server has it
  /// Takes the body of a 2xx as it comes, without its transfer coding, so that it is in no memory. `head` is the
  /// exchange so far: status and headers. False ends it there: truncated = "unspecified". It may wait.
  std::function<bool(Exchange const& head, std::string_view bytes)> sink = nullptr;
};

enum class Connections {
  new_each,
  kept,  // a few, between requests; then nothing is exempt
};

class HttpClient {
 public:
  HttpClient(Clock& clock, AddressPolicy const& policy, std::string user_agent, std::optional<Proxy> proxy = {},
             Connections connections = Connections::new_each);
  ~HttpClient();

  /// One hop: a redirect is an Exchange with status 3xx.
  Exchange get(HttpRequest const& request, HttpLimits const& limits);

  /// One hop that sends `body`; its media type stands in the request's headers. Never sent twice.
  Exchange post(HttpRequest const& request, std::string_view body, HttpLimits const& limits);

  /// Hop by hop, at most `hops_max` redirects; each exchange is its own. A hop that may not or cannot be made is an
  /// Exchange without a request whose `failed` says why, so the last one tells the outcome. Headers given in the
  /// request go to its own origin only, the exemption holds for its own host:port only. From https to http is followed:
  /// the chain shows it.
  std::vector<Exchange> follow(HttpRequest const& request, HttpLimits const& limits,
                               std::size_t hops_max = redirects_max);

 private:
  Exchange ask(HttpRequest const& request, std::optional<std::string_view> posted, HttpLimits const& limits);
  Clock& clock_;
  AddressPolicy const& policy_;
  std::string user_agent_;
  std::optional<Proxy> proxy_;
  struct Kept;
  std::unique_ptr<Kept> kept_;
};

}  // namespace impound::fetchers
