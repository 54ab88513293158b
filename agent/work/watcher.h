// Watching sources: list → new items → capture → references → acquisitions, politely, until told to stop.
//
// A plain loop over one thread: what is due is begun, then answers, the swarm and orders are waited for until the next
// thing is due. Of each source one list, one item and one .torrent link is asked for at a time; sources do not wait for
// each other. An item is captured once (the log remembers it); one that could not be had is asked for again while the
// site still lists it.
// Routine looks are counted and told in source.polled at most every 10 minutes, at least every 6 hours, and at the end.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agent/service/control_socket.h"
#include "agent/service/terminal.h"
#include "agent/settings/settings.h"
#include "agent/work/acquisition.h"
#include "agent/work/anchoring.h"
#include "agent/work/capture_group.h"
#include "agent/work/idle_digests.h"
#include "agent/work/interrupt.h"
#include "agent/work/orders.h"
#include "agent/work/page_reader.h"
#include "agent/work/robots_rules.h"
#include "agent/work/session.h"
#include "agent/work/watched_source.h"
#include "fetchers/http/validators.h"
#include "fetchers/reading/page_facts.h"

namespace impound::agent {

struct WatchTally {
  std::uint64_t polls = 0;
  std::uint64_t polls_failed = 0;
  std::uint64_t captured = 0;
  std::uint64_t acquisitions = 0;
  std::uint64_t acquisitions_failed = 0;
  std::uint64_t acquisitions_waiting = 0;  // open, and tried again by the next run
};

class Watcher {
 public:
  Watcher(std::vector<WatchedSource> const& sources, Session& session, Settings const& settings,
          fetchers::AddressPolicy const& policy, Routes const& routes, CaptureGroup& captures, Anchoring& anchoring,
          Interrupt& interrupt, Terminal& terminal, ControlSocket& orders);

  /// `once`: every source is polled once and all that follows from it is worked off; what finds nobody is tried once,
  /// and stays open for the next run. Otherwise until a signal, or until `until` has passed.
  Result<void> run(bool once, std::optional<std::chrono::seconds> until);
  WatchTally const& tally() const { return tally_; }

 private:
  /// A capture whose references are being worked off, one .torrent link a turn, so that no paste stops everything else.
  struct Followed {
    EntryId capture;
    EntryId cause;  // reference.found
    std::size_t references = 0;
    std::deque<fetchers::Url> urls;
  };
  /// An item that could not be had is asked for again with growing gaps, while the site lists it.
  struct Retry {
    unsigned tries = 0;
    std::int64_t not_before_us = 0;
  };
  struct State {
    WatchedSource const* source = nullptr;
    std::int64_t next_poll_us = 0;  // boot time
    std::int64_t next_item_us = 0;
    std::deque<fetchers::ListedItem> waiting;
    std::deque<Followed> following;  // captures whose .torrent links wait for their turn
    std::int64_t next_url_us = 0;
    bool url_booked = false;
    std::map<std::string, Retry> retries;  // items that could not be had
    bool poll_booked = false;              // its turn in the host's pace is booked and has not come yet
    bool item_booked = false;
    bool robots_asked = false, list_asked = false, url_asked = false;  // under way
    std::optional<std::string> item_asked;                             // its key
    bool polled_once = false;
    fetchers::Validators validators;  // of the list that was read last
    bool down = false;
    // counted since the last source.polled
    std::uint64_t polls = 0, listed = 0, fresh = 0, failed = 0;
    std::int64_t first_utc_us = 0, last_utc_us = 0, told_boot_us = 0;
  };

  bool may_ask_now(std::string const& host, std::chrono::microseconds pace, bool& booked, std::int64_t& next_us);
  /// Why the place's robots.txt wants it left alone, as far as that is known: asked before a turn is taken.
  std::optional<RobotsRules::Refusal> robots_refusal(State const& state, fetchers::Url const& url);
  /// True: the turn that was taken goes to the place's robots.txt.
  Result<bool> ask_robots(State& state, fetchers::Url const& url);
  Result<void> poll(State& state);
  Result<void> ask_list(State& state, fetchers::Url const& url);
  Result<void> take_list(State& state, fetchers::Exchange const& answer);
  Result<void> leave_alone(State& state, fetchers::ListedItem const& item, fetchers::Url const& url,
                           std::string const& why);
  Result<void> take_item(State& state);
  /// What was asked of an item's answer, and came of it.
  struct ItemAnswer {
    fetchers::PageFacts page{};
    Result<void> read = ok();
  };
  bool judge_item(State const& state, Captured& answer, ItemAnswer& came);
  Result<void> take_item_answer(State& state, fetchers::ListedItem const& item, Captured const& captured,
                                ItemAnswer const& came);
  Result<void> follow_references(State& state, std::vector<fetchers::FoundReference> const& found,
                                 Captured const& captured);
  Result<void> acquire(State& state, TorrentTarget target, EntryId const& cause);
  Result<void> take_url(State& state);
  Result<void> take_url_answer(State& state, fetchers::Url const& url, Captured& captured);
  Result<void> acquire_torrent(State& state, fetchers::Url const& url, Captured& captured);
  Result<void> close_followed(State& state, EntryId const& capture, std::size_t references);
  bool retry_due(State const& state, std::string const& key);
  void try_later(State& state, std::string const& key);
  Result<void> note_poll(State& state, bool good, std::string const& why);
  Result<void> tell_polls(State& state);
  Result<void> tell_due_polls();
  void tell_outcomes();
  std::int64_t now_us();
  std::chrono::milliseconds until_next(bool once);
  Result<void> begin_due(State& state, bool once);
  Result<void> wait_idly(std::chrono::milliseconds wait);
  bool worked_off() const;

  Session& session_;
  Settings const& settings_;
  Interrupt& interrupt_;
  Terminal& terminal_;
  CaptureGroup& captures_;
  RobotsRules robots_;
  PageReader reader_;
  Acquisitions acquisitions_;
  Anchoring& anchoring_;
  IdleDigests digests_;
  ControlSocket& socket_;
  Orders orders_;
  std::vector<State> states_;
  WatchTally tally_;
};

}  // namespace impound::agent
