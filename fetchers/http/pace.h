// At most one request to a host every so often, whoever asks: the politeness that sites publish as a limit.
//
// Time is boot time of the injected clock, which never steps back. Nothing here sleeps: `reserve` books the next free
// instant and says when it is. Used from one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "evidence/system/clock.h"

namespace impound::fetchers {

class Pace {
 public:
  explicit Pace(Clock& clock) : clock_(clock) {}

  /// Books one request to `host`, at least `interval` after the one booked before. Returns how long to wait until it
  /// may go; zero means now.
  std::chrono::microseconds reserve(std::string const& host, std::chrono::microseconds interval);

  /// No request to `host` before that much time from now (a Retry-After, a 429).
  void hold(std::string const& host, std::chrono::microseconds for_time);
  /// How much of that is left; nothing where none is.
  std::optional<std::chrono::microseconds> held_for(std::string const& host) const;

 private:
  void forget_old(std::int64_t now_us);
  struct Host {
    std::int64_t last_us = 0;  // when the newest booked request may go
    std::int64_t held_until_us = 0;
    bool asked = false;
  };
  Clock& clock_;
  std::map<std::string, Host> hosts_;
};

}  // namespace impound::fetchers
