// One web seed's thread: it is given runs of pieces, asks for them part by part, and gives back whole pieces and what
// each exchange was.
//
// What comes streams into one piece's buffer; no more than `in_flight_max` bytes of pieces wait to be taken and judged,
// beyond which the server waits. Redirects are followed hop by hop, the address policy and the route hold for each. A
// server that knows no ranges is read from the file's beginning, and what was not asked for is thrown away.
//
// give(), take(), judged() and stop() are the engine's thread's. The line's own thread is left behind when it is in the
// middle of a look-up; it stops at the next byte.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fetchers/http/address_policy.h"
#include "fetchers/http/client.h"
#include "fetchers/torrents/worker/web/piece_plan.h"
#include "fetchers/torrents/worker/web_exchange.h"

namespace impound::fetchers {

/// How web seeds are reached: by whom, on which way, and how long one is waited for.
struct WebWay {
  AddressPolicy policy;
  std::string user_agent;
  std::optional<Proxy> proxy{};
  HttpLimits limits{.connect_timeout = std::chrono::seconds{20},
                    .timeout = std::chrono::hours{24},  // of one answer; what is slow ends sooner
                    .slow_bytes_per_second = 1'024,
                    .slow_seconds = std::chrono::seconds{30}};
  std::uint64_t in_flight_max = 16u << 20;
  int wake_descriptor = -1;  // an eventfd, written when there is something to take
};

/// A part of an order, with where to ask for it.
struct WebAsk {
  WebPart part;
  std::uint64_t file_size = 0;
  std::optional<Url> url{};  // none: zeros
};

struct WebOrder {
  PieceRun run;
  bool by_ranges = false;  // BEP 17: an ask is a piece
  bool expects_ranges = true;
  std::vector<std::uint64_t> piece_sizes{};
  std::vector<WebAsk> asks{};
};

struct FetchedPiece {
  std::size_t piece = 0;
  std::vector<char> bytes;
};

/// How an order ended, and from which piece on nothing came.
struct OrderEnd {
  enum class Why {
    done,
    again,    // no connection, too slow, cut off, 5xx: it may be better later
    gone,     // no such file there
    differs,  // the file is another one
    stopped,
  };
  Why why = Why::done;
  std::size_t next_piece = 0;
  std::optional<std::size_t> file{};                  // in Metainfo.files, that it failed at
  std::optional<std::chrono::seconds> retry_after{};  // as the server wished
  bool no_ranges = false;
  std::uint64_t bytes = 0;  // of the pieces, as they came
  std::string text{};
};

struct WebNews {
  std::vector<FetchedPiece> pieces;
  std::vector<WebExchange> exchanges;
  std::optional<OrderEnd> end;
};

class WebLine {
 public:
  /// `name`: the seed's URL as content has it, for the exchanges.
  WebLine(std::string name, std::shared_ptr<WebWay const> way);
  ~WebLine();
  WebLine(WebLine const&) = delete;
  WebLine& operator=(WebLine const&) = delete;

  /// Only when it has none.
  void give(WebOrder order);
  WebNews take();
  /// Of payload so far, judged or not, and of what a server without ranges sends before it.
  std::uint64_t received() const;
  /// So many bytes of pieces that were taken are in flight no longer.
  void judged(std::uint64_t bytes);
  /// The order under way ends soon, with Why::stopped.
  void stop();

  /// Threads of lines that are gone may be in the middle of a look-up still. While there are any, the process must end
  /// without taking down what they use.
  static bool any_runs();

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace impound::fetchers
