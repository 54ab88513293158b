// Which jobs run after the swarm worker died: a worker that a torrent can crash must not let it take the others along.
//
// While nothing happened, all jobs run. After a death those that were active are suspects and come back one at a time,
// each alone: everything else waits. A suspect that ends, or runs its probation without a death, is cleared and waits
// for the others' turn. The first that dies alone is the culprit: the others are cleared at once, and it is tried
// alone again until it has passed its probation (then all run again) or has died alone three times without (then it is
// given up, and the rest run again). Each death in which a job was active doubles its probation, up to a bound: what
// crashes slowly is found as well, and what crashes less often than the bound has at least run that long each time.
// No job starves: others wait at most one probation a suspect, and the culprit's last ones. Two torrents that crash the
// worker only together are never given up; each moves on in its probations.
//
// No clock of its own: `now_us` never steps back (Clock::boot_us). One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace impound::agent {

struct RevivalLimits {
  std::int64_t probation_us = 60'000'000;             // alone in the worker, the first time
  std::int64_t probation_us_max = 30 * 60'000'000LL;  // what doubling ends at
  unsigned lone_deaths_max = 3;                       // then the job is given up
};

class JobRevival {
 public:
  struct Death {
    std::vector<std::string> active;      // ran when the worker died, in order
    std::optional<std::string> given_up;  // known no longer; its result is the caller's to write
  };

  explicit JobRevival(RevivalLimits const& limits) : limits_(limits) {}

  /// A job wants to run; it waits while a suspect runs alone. A known job stays as it is.
  void begin(std::string const& job);
  /// A job ended, however it did. An unknown one changes nothing.
  void end(std::string const& job, std::int64_t now_us);
  /// The worker died; whoever runs() now runs in the next one.
  Death died(std::int64_t now_us);
  /// Clears the suspect whose probation is over.
  void pass_time(std::int64_t now_us);

  /// False for a job that waits, and for an unknown one.
  bool runs(std::string const& job) const;
  /// True for a job that waits while a suspect runs alone.
  bool waits(std::string const& job) const { return jobs_.contains(job) && !runs(job); }
  bool on_trial() const { return !suspects_.empty(); }

 private:
  struct Job {
    std::int64_t probation_us = 0;
    unsigned lone_deaths = 0;  // since it was cleared last
  };

  std::vector<std::string> active() const;

  RevivalLimits limits_;
  std::map<std::string, Job> jobs_;
  std::deque<std::string> suspects_;  // the first runs alone
  std::int64_t alone_since_us_ = 0;
};

}  // namespace impound::agent
