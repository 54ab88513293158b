// How a host is asked: at most so often, less often when it says so or fails, and hardly at all while it is down.
//
//     429, 503                    quiet for as long as Retry-After says (RFC 9110 §10.2.3), at least for a gap that
//                                 doubles with each such answer in a row: 2 s to 15 min, ± 10 %
//     no answer, no whole head,   five in a row open the circuit: nobody asks for 30 s, then one request alone tries;
//     if 500 and above               it fails, too, nobody asks for twice as long, up to an hour, ± 10 % anything else
//     all is forgotten
//
// What we end ourselves (stopped, refused by the address policy) says nothing of a host. Time is boot time of the
// injected clock. One thread at a time; nothing sleeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"
#include "fetchers/http/exchange.h"
#include "fetchers/http/pace.h"

namespace impound::fetchers {

struct MannersLimits {
  std::chrono::microseconds first_backoff{2'000'000};
  std::chrono::microseconds backoff_max{std::chrono::minutes{15}};
  unsigned failures_max = 5;  // in a row, then the circuit opens
  std::chrono::microseconds first_break{30'000'000};
  std::chrono::microseconds break_max{std::chrono::hours{1}};
};

class HostManners {
 public:
  HostManners(Clock& clock, Randomness& randomness, MannersLimits const& limits = {})
      : clock_(clock), randomness_(randomness), limits_(limits), pace_(clock) {}

  /// Books a request to `host`, at least `interval` after the one booked before; how long to wait until it may go.
  std::chrono::microseconds reserve(std::string const& host, std::chrono::microseconds interval) {
    return pace_.reserve(host, interval);
  }
  /// For how long it wants to be left alone by its own word (Retry-After, 429); nothing where it does not.
  std::optional<std::chrono::microseconds> quiet_for(std::string const& host) const { return pace_.held_for(host); }
  /// For how long nobody may ask it: its circuit is open, or one request tries alone.
  std::optional<std::chrono::microseconds> closed_for(std::string const& host) const;
  /// The same, asked right before a request leaves: nothing means that it may, and then ended() must follow.
  std::optional<std::chrono::microseconds> may_not(std::string const& host);
  /// What came of a request.
  void ended(std::string const& host, Exchange const& exchange);

 private:
  struct Host {
    unsigned failures = 0;   // in a row
    unsigned breaks = 0;     // in a row
    unsigned throttled = 0;  // in a row
    std::int64_t open_until_us = 0;
    bool tries_alone = false;
  };
  std::int64_t gap_after(std::chrono::microseconds first, unsigned times, std::chrono::microseconds most);
  void forget_old(std::int64_t now_us);

  Clock& clock_;
  Randomness& randomness_;
  MannersLimits limits_;
  Pace pace_;
  std::map<std::string, Host> hosts_;  // those with something against them
};

/// Of a Retry-After header's value, seconds or a date: how long from `utc_us` on; nothing for what is neither.
std::optional<std::chrono::microseconds> retry_after(std::string_view value, std::int64_t utc_us);

}  // namespace impound::fetchers
