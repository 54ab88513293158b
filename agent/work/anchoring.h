// Anchoring: the log's checkpoints are stamped by the authorities of the settings, beside everything else.
//
//     publish → log/checkpoints/<size> → timestamp.attempt → each authority is asked → timestamp.result
//
// A thread of its own does it, so that no authority holds anything up; anchor_schedule.h has the rules of when. Without
// authorities in the settings there is no thread and nothing is stamped. What the end of a command cuts off stays an
// open attempt and is taken up by the next one that may write. A round's checkpoint covers all that was logged before
// it; its own entries start no other. want() and wait() may be called from any one thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "agent/work/authorities.h"
#include "agent/work/session.h"
#include "evidence/system/descriptor.h"

namespace impound::agent {

/// So long a command waits at its end, or an export at its beginning, for a timestamp that it wanted.
inline constexpr std::chrono::seconds timestamp_wait{30};

class Anchoring {
 public:
  Anchoring(Session& session, Settings const& settings, std::vector<evidence::TimestampAuthority> authorities,
            fetchers::AddressPolicy const& policy, Routes const& routes);
  ~Anchoring();
  Anchoring(Anchoring const&) = delete;
  Anchoring& operator=(Anchoring const&) = delete;

  bool configured() const { return !authorities_.empty(); }
  /// What was logged till now is to be stamped: after a result, before an export. `by_person`: somebody waits for it.
  void want(bool by_person);

  struct Standing {
    bool anchored = false;   // everything that was wanted
    std::uint64_t size = 0;  // of the newest checkpoint that is anchored, or of the one that is asked for
    std::size_t tokens = 0, required = 0;
    std::vector<std::string> failing;  // "NAME: why"
  };
  /// Returns when everything that was wanted is stamped, when the round that was to do it has failed or can only go on
  /// after `longest`, when `longest` is over, or when `wake_descriptor` is readable.
  Standing wait(std::chrono::milliseconds longest, int wake_descriptor);
  /// What wait(longest, …) would return at once; nothing while it would wait. For who must not wait.
  std::optional<Standing> settled(std::chrono::milliseconds longest);

 private:
  /// The attempt that is open.
  struct Round {
    EntryId attempt;
    evidence::StampingAttempt body;
    std::string note;                                        // what is stamped, to the byte
    std::vector<std::optional<evidence::KeptToken>> tokens;  // one for each authority
  };

  void run();
  Result<void> take_up();
  Result<std::vector<std::optional<evidence::KeptToken>>> tokens_there(evidence::StampingAttempt const& attempt,
                                                                       std::string const& note);
  Result<void> set_token_aside(std::uint64_t size, std::string const& authority, std::string const& why);
  Result<void> begin();
  Result<void> ask(std::vector<std::size_t> const& authorities);
  void ask_one(std::size_t authority);
  Result<void> finish(std::optional<std::uint64_t> superseded_by);
  Result<void> supersede_left_over(std::uint64_t by);
  Result<void> write_result(Round const& round, std::optional<std::uint64_t> superseded_by);
  void keep_memory();
  Result<void> settle_round();
  std::uint64_t fresh() const { return before_ + session_.recorder().recorded() - covered_; }
  Standing standing() const;
  void tell();

  Session& session_;
  TimestampSettings const& settings_;
  std::vector<evidence::TimestampAuthority> const authorities_;
  std::atomic<bool> stopping_ = false;
  AuthorityClient client_;
  Descriptor told_;  // an eventfd: readable when something changed for who waits

  std::mutex lock_;  // guards what follows
  std::condition_variable changed_;
  AnchorSchedule schedule_;
  std::uint64_t before_ = 0;   // entries of earlier runs that no timestamp covers
  std::uint64_t covered_ = 0;  // entries of this run that the newest round covers
  std::uint64_t anchored_size_ = 0;
  std::uint64_t asked_size_ = 0;
  unsigned wanted_ = 0, begun_ = 0, served_ = 0, failed_ = 0;  // wishes, by number
  bool working_ = false;
  std::int64_t not_before_us_ = 0;  // on the boot clock; after an error of our own nothing is tried for a minute

  // the thread's alone
  std::optional<Round> round_;
  std::vector<Round> left_over_;  // of earlier runs, not to be gone on with
  std::set<EntryId> closed_;      // attempts whose result this run has written
  bool unsettled_ = false;        // the round has its tokens, and its result could not be written
  std::thread thread_;
};

/// For a command that asks for no timestamp itself: says so when one is due by the rules of the settings, or for the
/// `result` that it has just written.
void say_if_due(Session& session, TimestampSettings const& settings, bool quiet, bool result = false);

/// A line for a person: "anchored: …" or "timestamp pending: …".
std::string text(Anchoring::Standing const& standing);

}  // namespace impound::agent
