// The writer: one thread that owns the custody log, and so the only place where an entry is made.
//
// record() may be called from any thread and returns when its entries are durable (acknowledged); entries that arrive
// together share one group and one fdatasync. A full disk is tried again once room was made. Whatever was appended is
// under a signed checkpoint at most a second later, and at once by publish() and at the end. After a failed write or
// sync the log is poisoned: every call returns that error. A step of the wall clock is logged before the next entry.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "evidence/clock_steps.h"
#include "evidence/custody_entry.h"
#include "evidence/custody_log.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"

namespace impound::agent {

class Recorder {
 public:
  /// What the recorder may ask about the disk it writes to.
  struct Room {
    /// For the tiles of a publish; without it what is due waits in the journal, acknowledged but not yet signed.
    std::function<bool()> enough;
    /// Gives the reserve back.
    std::function<void()> make;
  };
  Recorder(std::unique_ptr<evidence::CustodyLog> log, evidence::EntryMaker maker, evidence::ClockSteps steps,
           Room room);
  ~Recorder();
  Recorder(Recorder const&) = delete;
  Recorder& operator=(Recorder const&) = delete;

  /// Durable when it returns. The ids are those of the drafts, in order.
  Result<std::vector<EntryId>> record(std::vector<evidence::EntryDraft> drafts);
  Result<EntryId> record(evidence::EntryDraft draft);
  /// Hands the log on to `next`, which must outlive this: everything before is published, then key.rotated is appended
  /// and published under both signatures. After an error only the next start knows whether the key has changed.
  Result<EntryId> rotate(evidence::SigningKey const& next, std::string reason, evidence::By by);
  /// What was recorded before is under a signed checkpoint when it returns.
  Result<void> publish();
  /// Publishes and ends the thread. Later calls fail.
  Result<void> stop();
  /// The disk is full, and the log is to say so: limit.reached, once until there was room again.
  Result<void> tell_disk_full(std::string const& doing);
  bool disk_full_told() const { return disk_full_told_.load(); }
  /// limit.left: there is room again.
  Result<void> tell_room(std::uint64_t free_bytes);
  /// Entries that were acknowledged so far, those about timestamps not counted. Any thread.
  std::uint64_t recorded() const { return recorded_.load(); }

 private:
  struct Rotation {
    evidence::SigningKey const* next;
    std::string reason;
    evidence::By by;
  };
  struct Request {
    std::vector<evidence::EntryDraft> drafts;  // none: publish
    std::optional<Rotation> rotation;          // alone
    std::promise<Result<std::vector<EntryId>>> answer;
  };

  Result<std::vector<EntryId>> ask(std::vector<evidence::EntryDraft> drafts, std::optional<Rotation> rotation = {});
  void run();
  void serve(std::deque<Request> batch);
  Result<EntryId> hand_over(Rotation const& rotation);
  std::deque<Request> wait_for_requests();
  void publish_when_due(bool asked);

  std::unique_ptr<evidence::CustodyLog> log_;
  evidence::EntryMaker maker_;
  evidence::ClockSteps steps_;
  Room room_;
  std::mutex lock_;
  std::condition_variable arrived_;
  std::deque<Request> waiting_;
  bool stopping_ = false;
  std::atomic<std::uint64_t> recorded_ = 0;
  std::atomic<bool> disk_full_told_ = false;
  std::optional<Error> poisoned_;                                        // writer thread only
  std::optional<std::chrono::steady_clock::time_point> unsigned_since_;  // writer thread only
  std::thread thread_;
};

}  // namespace impound::agent
