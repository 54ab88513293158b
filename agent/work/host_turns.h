// Whose turn it is among requests that wait in line, host by host: so many of a host at once, paced, and by the manners
// that a host's answers ask for (fetchers/http/host_manners.h).
//
//     wait_in_line() → next() says that it may leave → ended()
//                    ↘ take_given_up(): its host is not asked for longer than anybody waits
//
// Hosts take turns; within one it is first come, first served. A circuit that stays open for `patience` gives up those
// that waited so long, a Retry-After beyond it all of that host. Time is boot time of the injected clock; nothing
// sleeps. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evidence/system/clock.h"
#include "evidence/values/error.h"
#include "fetchers/http/exchange.h"
#include "fetchers/http/host_manners.h"
#include "fetchers/url.h"

namespace impound::agent {

struct TurnLimits {
  std::size_t of_host_max = 4;        // asked at once
  std::chrono::microseconds pace{0};  // at least so long between two requests to one host
  std::chrono::microseconds patience{std::chrono::seconds{60}};
};

class HostTurns {
 public:
  /// `manners` must outlive it. Without a pace nothing is booked there.
  HostTurns(Clock& clock, fetchers::HostManners& manners, TurnLimits const& limits)
      : clock_(clock), limits_(limits), manners_(manners) {}

  /// Under `number`, which the caller gives to one request at a time.
  void wait_in_line(std::string const& host, std::uint64_t number);
  /// The next that may leave, now: ended() must follow.
  std::optional<std::uint64_t> next();
  void ended(std::string const& host, fetchers::Exchange const& exchange);

  struct GivenUp {
    std::uint64_t number = 0;
    Error why;
  };
  /// Those that nobody waits for any longer, since the last call.
  std::vector<GivenUp> take_given_up() { return std::exchange(given_up_, {}); }
  /// The same of all that wait, now.
  void give_up_all(Error const& why);
  /// How long until next() may say something else, unless a request ends before; nothing when only that would help.
  std::optional<std::chrono::microseconds> due_in() const;

 private:
  using Place = std::pair<std::int64_t, std::uint64_t>;  // boot time; who came first
  struct Waiting {
    std::uint64_t number;
    std::int64_t since_us;
  };
  struct Host {
    std::deque<Waiting> waiting;
    std::size_t under_way = 0;
    std::optional<std::int64_t> booked_us;     // when its next request may leave
    std::optional<std::int64_t> closed_since;  // nobody may ask it since then
    std::optional<Place> place;                // in due_
  };
  std::optional<std::uint64_t> ask(std::string const& name, Host& host);
  void put(std::string const& name, Host& host, std::int64_t at_us);
  std::chrono::microseconds turn_in(std::string const& name);
  void give_up(Host& host, std::int64_t since_before_us, Error const& why);

  Clock& clock_;
  TurnLimits limits_;
  fetchers::HostManners& manners_;
  std::map<std::string, Host> hosts_;  // those with requests
  std::map<Place, std::string> due_;   // hosts to look at, once each
  std::uint64_t places_ = 0;
  std::vector<GivenUp> given_up_;
};

/// What counts as one host: a site's http and https together, any other port by itself.
std::string host_of(fetchers::Url const& url);

}  // namespace impound::agent
