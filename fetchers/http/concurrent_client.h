// Asks many URLs at once over one thread: libcurl's multi interface on an epoll of its own.
//
// Each request is one hop, as with HttpClient, with the same promises: every address that is dialled is judged first
// (P5), a proxy is the only thing dialled (P4), no cookies, no redirect by itself. Connections are kept and shared
// between requests to the same scheme, host and port; those that an exemption opened serve exempt requests alone.
// Nothing throws. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evidence/system/clock.h"
#include "evidence/values/result.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/http/client.h"
#include "fetchers/http/exchange.h"
#include "fetchers/proxy.h"

namespace impound::fetchers {

struct ConcurrencyLimits {
  std::size_t connections = 64;         // open at once, those that are kept with them
  std::size_t connections_of_host = 4;  // requests beyond wait for one; HTTP/2 shares one
};

class ConcurrentClient {
 public:
  /// Code::io when the kernel gives no epoll.
  static Result<std::unique_ptr<ConcurrentClient>> make(Clock& clock, AddressPolicy const& policy,
                                                        std::string user_agent, std::optional<Proxy> proxy,
                                                        ConcurrencyLimits const& limits = {});
  ~ConcurrentClient();
  ConcurrentClient(ConcurrentClient const&) = delete;
  ConcurrentClient& operator=(ConcurrentClient const&) = delete;

  /// Under `number`, which the caller gives to one request at a time. Whatever becomes of it is told by take().
  void begin(std::uint64_t number, HttpRequest request, HttpLimits limits);
  /// Those that were begun and not taken.
  std::size_t under_way() const;
  /// Moves all of them on; waits at most `wait` for anything to happen, less when `wake_descriptor` (-1 for none) is
  /// readable.
  void run(std::chrono::milliseconds wait, int wake_descriptor = -1);

  /// For who waits for other things as well: readable when run() has something to do, which also falls due after
  /// due_in() at the latest, at most `wait`.
  int descriptor() const;
  std::chrono::milliseconds due_in(std::chrono::milliseconds wait) const;

  struct Ended {
    std::uint64_t number = 0;
    Exchange exchange;
  };
  /// Those that ended since the last call.
  std::vector<Ended> take();

 private:
  struct State;
  explicit ConcurrentClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace impound::fetchers
