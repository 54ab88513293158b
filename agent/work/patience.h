// When an acquisition that found nobody is tried again: an empty swarm may have a peer an hour later, and what nobody
// waits for in person can wait.
//
//     nothing came                         the next try is a gap away: 1 min, doubled each time, at most 6 h, ± 10 %
//     a byte or new metadata came          the gap is the first one again, at most 20 times: what hands over a byte a
//                                          minute does not keep the log busy for a week
//     patience over, counted since the     the last try is made when it is over; one that comes to nothing then is the
//     attempt began                        end
//
// A week without a byte is about 40 tries. What an earlier run tried counts on: whoever restarts often does not begin
// with small gaps each time.
//
// No clock and no randomness of its own: `now_us` never steps back (Clock::boot_us); the attempt may have begun before
// the machine did, below 0. One thread.
#pragma once

#include <cstdint>

namespace impound::agent {

struct PatienceLimits {
  std::int64_t patience_us = 0;  // since the attempt began; 0: none
  std::int64_t first_gap_us = 60'000'000;
  std::int64_t gap_us_max = 6 * 3600 * 1'000'000LL;
  unsigned starts_over_max = 20;
  unsigned hurries_max = 20;  // in a row, without anything that came of it
};

/// What the log tells of an attempt's tries.
struct TriesBefore {
  unsigned tries = 0;        // in vain, since it last got something
  unsigned starts_over = 0;  // how often the gap was the first one again
};

class Patience {
 public:
  Patience(PatienceLimits const& limits, std::int64_t begun_us, TriesBefore const& before = {})
      : limits_(limits), begun_us_(begun_us), before_(before) {}

  /// A try ended without the whole torrent: waits from now on. `dice`: any number, for the jitter. False when patience
  /// is over, and then nothing waits.
  bool stall(std::int64_t now_us, bool got_something, std::uint32_t dice);
  bool waits() const { return waits_; }
  /// Of what waits.
  std::int64_t next_try_us() const { return next_try_us_; }
  /// Since it last got something; at least 1 for what waits.
  unsigned tries() const { return before_.tries; }
  /// Somebody names the torrent again: the next try comes now, or as soon as the first gap is over; but not for ever,
  /// for who names a thousand dead torrents every minute would keep us busy with nothing else.
  void hurry(std::int64_t now_us);
  /// True once, when the next try is due.
  bool take_due(std::int64_t now_us);

 private:
  PatienceLimits limits_;
  std::int64_t begun_us_;
  TriesBefore before_;
  unsigned hurries_ = 0;
  bool waits_ = false;
  std::int64_t stalled_us_ = 0;
  std::int64_t next_try_us_ = 0;
};

}  // namespace impound::agent
