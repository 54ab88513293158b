// When which authority is asked to stamp which checkpoint: the rules alone, without clock, thread or network.
//
// A round publishes the log, takes its newest checkpoint and asks every authority that may be asked; tokens of
// `required` authorities end it. With fewer it stays open, and those that are missing are asked again, each after a gap
// that doubles from one minute to an hour. When it is their turn and something new was logged meanwhile, a new round
// over the newest checkpoint takes its place: one checkpoint covers all before it. No authority is asked more often
// than once a minute. Times are microseconds of the boot clock. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace impound::agent {

struct AnchorRules {
  std::size_t required = 0;
  std::int64_t every_us = 0;  // at the latest so long after something new was logged
  std::uint64_t entries = 0;  // or after so many new entries
  std::int64_t gap_us = 60'000'000;
  std::int64_t gap_us_max = 3'600'000'000;
};

/// What is known of one authority.
struct AuthorityStanding {
  std::string name;
  std::int64_t not_before_us = 0;
  std::optional<std::int64_t> last_asked_us{};
  unsigned tries = 0;        // that failed since its last token
  std::string reason{};      // of the last failure
  bool has_token = false;    // for the round that is open
  bool asked = false;        // in the round that is open
  unsigned failed_here = 0;  // tries of this run that failed, in the round that is open
};

class AnchorSchedule {
 public:
  AnchorSchedule(AnchorRules rules, std::vector<AuthorityStanding> authorities);

  /// A result, or an export: what was logged till now is to be stamped as soon as the gaps allow. `by_person`: somebody
  /// waits for it, so that only the gap of a minute holds, not the longer ones after failures.
  void want(std::int64_t now_us, bool by_person);
  /// So many entries stand in no round's checkpoint, those about timestamps not counted; the oldest since `since_us`.
  void fresh(std::uint64_t entries, std::int64_t since_us);

  struct Step {
    enum Kind { wait, begin, ask } kind = wait;
    std::vector<std::size_t> authorities{};  // to ask: indexes
    std::optional<std::int64_t> wake_us{};   // when to look again; nothing: not before something changes
  };
  Step next(std::int64_t now_us) const;

  /// A round has begun; the authorities of an earlier one are forgotten.
  void begun(std::int64_t now_us);
  /// A round of an earlier run goes on; whose token is there already.
  void taken_up(std::vector<bool> const& has_token);
  /// Is about to be asked: from now on its minute runs, however the asking ends.
  void asking(std::size_t authority, std::int64_t now_us);
  void got_token(std::size_t authority, std::int64_t now_us);
  /// `jitter`: 0 to 255, spreads the gap by up to a quarter.
  void failed(std::size_t authority, std::string reason, std::int64_t now_us, std::uint8_t jitter);
  /// Enough tokens, and of those without one nobody who might answer: a round does not wait for a broken authority.
  bool met() const;
  /// Too few tokens even if everybody answers who did not fail.
  bool hopeless() const;
  void ended();

  bool open() const { return open_; }
  std::size_t tokens() const;
  std::vector<AuthorityStanding> const& authorities() const { return authorities_; }

 private:
  bool due(std::int64_t now_us) const;
  std::int64_t may_ask_us(AuthorityStanding const& authority) const;

  AnchorRules rules_;
  std::vector<AuthorityStanding> authorities_;
  bool open_ = false;
  bool wanted_ = false;
  bool person_waits_ = false;
  std::uint64_t fresh_ = 0;
  std::int64_t fresh_since_us_ = 0;
};

}  // namespace impound::agent
