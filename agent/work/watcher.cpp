#include "agent/work/watcher.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "agent/work/found_references.h"
#include "agent/work/host_turns.h"
#include "agent/work/item_retries.h"
#include "agent/work/outcome_text.h"
#include "agent/work/waiting.h"
#include "evidence/system/clock.h"

namespace impound::agent {

using evidence::EntryDraft;
using fetchers::FoundReference;

namespace {

constexpr std::int64_t retry_gap_max_us = 6ll * 3600 * 1'000'000;

}  // namespace

Watcher::Watcher(std::vector<WatchedSource> const& sources, Session& session, Settings const& settings,
                 fetchers::AddressPolicy const& policy, Routes const& routes, CaptureGroup& captures,
                 Anchoring& anchoring, Interrupt& interrupt, Terminal& terminal, ControlSocket& orders)
    : session_(session),
      settings_(settings),
      interrupt_(interrupt),
      terminal_(terminal),
      captures_(captures),
      robots_(session.clock(), settings, captures),
      reader_(session, terminal),
      acquisitions_(session, settings, policy, routes, terminal),
      anchoring_(anchoring),
      digests_(session),
      socket_(orders),
      orders_(orders, session, settings, routes, captures_, reader_, acquisitions_, anchoring,
              [&interrupt] { return interrupt.asked(); }) {
  for (WatchedSource const& source : sources) {
    State state;
    state.source = &source;
    state.next_poll_us = state.told_boot_us = now_us();
    states_.push_back(std::move(state));
  }
}

std::int64_t Watcher::now_us() { return session_.clock().boot_us(); }

Result<void> Watcher::run(bool once, std::optional<std::chrono::seconds> until) {
  std::int64_t const end_us = until ? now_us() + std::chrono::microseconds{*until}.count() : 0;
  IMPOUND_TRY(taken_up, acquisitions_.take_up_open());
  if (taken_up > 0) terminal_.say("going on with " + std::to_string(taken_up) + " acquisition(s) of an earlier run");
  // One look by hand asks for everything; the service goes on with the gaps of the run before.
  if (!once) {
    IMPOUND_TRY(retries, item_retries(settings_));
    for (State& state : states_)
      for (ItemRetry const& item : retries)
        if (item.source == state.source->settings.name)
          state.retries[item.key] = {item.tries, now_us() + item.not_before_utc_us - session_.clock().utc_us()};
  }
  IMPOUND_TRY(waiting, Waiting::make(captures_, acquisitions_, socket_.descriptor()));
  while (!interrupt_.asked() && (!until || now_us() < end_us)) {
    for (State& state : states_) IMPOUND_CHECK(begin_due(state, once));
    IMPOUND_CHECK(tell_due_polls());
    IMPOUND_CHECK(orders_.work());
    IMPOUND_CHECK(session_.warc());  // a file grows old also while nothing is captured
    if (once && waiting.idle() && worked_off() && !orders_.waited_for()) break;
    std::chrono::milliseconds const wait = until_next(once);
    if (waiting.idle() && wait.count() > 0)
      IMPOUND_CHECK(wait_idly(wait));
    else
      IMPOUND_CHECK(waiting.turn(wait));
    tell_outcomes();
  }
  IMPOUND_CHECK(waiting.end_captures());
  tell_outcomes();
  tally_.acquisitions_waiting = acquisitions_.lying_by();
  if (tally_.acquisitions_waiting > 0)
    terminal_.say(std::to_string(tally_.acquisitions_waiting) +
                  " acquisition(s) found nobody yet and stay open: the next `impound watch` goes on with them");
  acquisitions_.interrupt();
  for (State& state : states_) IMPOUND_CHECK(tell_polls(state));
  return ok();
}

/// What of a source is due, and not asked for already.
Result<void> Watcher::begin_due(State& state, bool once) {
  std::int64_t const now = now_us();
  bool const list_due = !state.list_asked && now >= state.next_poll_us && !(once && state.polled_once);
  if (list_due && !state.robots_asked) IMPOUND_CHECK(poll(state));
  bool const item_due = !state.item_asked && !state.waiting.empty() && now >= state.next_item_us;
  if (item_due && !state.robots_asked) IMPOUND_CHECK(take_item(state));
  bool const url_due = !state.url_asked && !state.following.empty() && now >= state.next_url_us;
  return url_due ? take_url(state) : ok();
}

/// Nothing runs and nothing is due: time for what can wait.
Result<void> Watcher::wait_idly(std::chrono::milliseconds wait) {
  IMPOUND_CHECK(session_.look_for_room());
  {
    std::jthread const digesting = digests_.begin();  // ends with this scope
    pollfd waiting{socket_.descriptor(), POLLIN, 0};  // orders, or a signal
    ::poll(&waiting, 1, static_cast<int>(wait.count()));
  }
  return digests_.outcome();
}

bool Watcher::worked_off() const {
  return std::all_of(states_.begin(), states_.end(),
                     [](State const& s) { return s.polled_once && s.waiting.empty() && s.following.empty(); });
}

std::chrono::milliseconds Watcher::until_next(bool once) {
  std::int64_t next = now_us() + (orders_.waited_for() ? 500'000 : 1'000'000);
  for (State const& state : states_) {
    if (!state.list_asked && !state.robots_asked && !(once && state.polled_once))
      next = std::min(next, state.next_poll_us);
    if (!state.item_asked && !state.robots_asked && !state.waiting.empty()) next = std::min(next, state.next_item_us);
    if (!state.url_asked && !state.following.empty()) next = std::min(next, state.next_url_us);
  }
  return std::chrono::milliseconds{std::max<std::int64_t>(0, (next - now_us() + 999) / 1000)};
}

/// True when the host's pace lets a request go now; otherwise its turn is booked, or the host is left alone for a
/// while, and `next_us` says until when.
bool Watcher::may_ask_now(std::string const& host, std::chrono::microseconds pace, bool& booked,
                          std::int64_t& next_us) {
  fetchers::HostManners& manners = captures_.manners();
  if (!std::exchange(booked, false)) {
    auto const wait = manners.reserve(host, pace);
    booked = wait.count() > 0;
    if (booked) next_us = now_us() + wait.count();
    if (booked) return false;
  }
  if (auto const quiet = manners.quiet_for(host)) {  // it said so after the turn was booked
    booked = true;
    next_us = now_us() + quiet->count();
    return false;
  }
  auto const closed = manners.closed_for(host);
  if (closed) next_us = now_us() + closed->count();
  return !closed;
}

std::optional<RobotsRules::Refusal> Watcher::robots_refusal(State const& state, fetchers::Url const& url) {
  if (!state.source->settings.robots || robots_.due(url)) return std::nullopt;
  return robots_.refusal(url);
}

Result<bool> Watcher::ask_robots(State& state, fetchers::Url const& url) {
  if (!state.source->settings.robots || !robots_.due(url)) return false;
  state.robots_asked = true;
  IMPOUND_CHECK(robots_.look(url, state.source->settings.route, state.source->own_place(),
                             [&state] { state.robots_asked = false; }));
  return true;
}

/// What a robots.txt wants left alone is told once a run; the site may list it for weeks.
Result<void> Watcher::leave_alone(State& state, fetchers::ListedItem const& item, fetchers::Url const& url,
                                  std::string const& why) {
  bool const told = state.retries.contains(item.key);
  try_later(state, item.key);
  if (told) return ok();
  terminal_.say("left alone  " + url.text() + ": " + why);
  Json body{{"what", "item"}, {"where", shown(url.text(), 500)}, {"detail", shown(why, 500)}};
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"input.refused", std::move(body), state.source->settings.case_name, {}, {}, {}, {}}));
  return ok();
}

Result<void> Watcher::take_item(State& state) {
  WatchedSource const& source = *state.source;
  auto const url = source.profile.item_url(source.base, state.waiting.front().key);
  if (!url) return url.error();
  auto const refusal = robots_refusal(state, url.value());
  if (refusal && refusal->closed_until_us) {  // by no word of the site's: the item keeps its place
    state.next_item_us = *refusal->closed_until_us;
    return ok();
  }
  if (!refusal) {
    if (!may_ask_now(host_of(source.base), source.profile.pace, state.item_booked, state.next_item_us)) return ok();
    IMPOUND_TRY(robots_asked, ask_robots(state, url.value()));
    if (robots_asked) return ok();
  }
  fetchers::ListedItem const item = std::move(state.waiting.front());
  state.waiting.pop_front();
  if (refusal) return leave_alone(state, item, url.value(), refusal->why);
  CaptureOrder order{.url = url.value(),
                     .route = source.settings.route,
                     .exempt = source.own_place(),
                     .source = source.settings.name,
                     .key = item.key,
                     .title = item.title,
                     .author = item.author,
                     .published_us = item.published_us,
                     .case_name = source.settings.case_name};
  auto const came = std::make_shared<ItemAnswer>();
  state.item_asked = item.key;
  return captures_.begin({std::move(order),
                          [this, &state, came](Captured& answer) { return judge_item(state, answer, *came); },
                          [this, &state, item, came](Captured& captured) {
                            state.item_asked.reset();
                            return take_item_answer(state, item, captured, *came);
                          }});
}

bool Watcher::judge_item(State const& state, Captured& answer, ItemAnswer& came) {
  fetchers::PageFacts& page = came.page;
  if (answer.usable) {
    auto facts = reader_.item(*state.source, answer);
    if (facts)
      page = std::move(facts).value();
    else
      came.read = std::move(facts).error();
  }
  if (page.answer != fetchers::Answer::content) {
    answer.usable = false;
    answer.problem = std::string("the site says: ") + word(page.answer);
  }
  answer.detected_type = page.media_type;
  answer.charset = page.charset;
  answer.base = page.base;
  if (answer.usable) answer.references = page.found.size();
  Pick const keep = state.source->settings.keep;
  if (keep != Pick::matched) return keep == Pick::all;
  return answer.references > 0 || !page.whole();  // what was not read may hold what matters
}

Result<void> Watcher::take_item_answer(State& state, fetchers::ListedItem const& item, Captured const& captured,
                                       ItemAnswer const& came) {
  SourceSettings const& source = state.source->settings;
  IMPOUND_CHECK(came.read);
  IMPOUND_CHECK(reader_.tell_refused(source.case_name, captured, came.page));
  if (!captured.usable) {
    try_later(state, item.key);
    return ok();
  }
  state.retries.erase(item.key);
  session_.past().mark_seen(source.name, item.key);
  ++tally_.captured;
  ++state.fresh;
  auto const url = state.source->profile.item_url(state.source->base, item.key);
  terminal_.say("captured    " + (url ? url.value().text() : item.key) +
                (item.title.empty() ? "" : "  \"" + shown(item.title, 60) + "\"") +
                (item.author.empty() ? "" : " by " + shown(item.author, 40)));
  return follow_references(state, came.page.found, captured);
}

bool Watcher::retry_due(State const& state, std::string const& key) {
  auto const retry = state.retries.find(key);
  return retry == state.retries.end() || now_us() >= retry->second.not_before_us;
}

/// Waits longer after each failure, up to six hours: a removed paste is no reason for two entries a minute.
void Watcher::try_later(State& state, std::string const& key) {
  Retry& retry = state.retries[key];
  std::int64_t const gap = std::chrono::microseconds{state.source->settings.interval}.count()
                           << std::min(retry.tries, 12u);
  ++retry.tries;
  retry.not_before_us = now_us() + std::min(gap, retry_gap_max_us);
}

/// Tells what was found and begins what may be acquired: magnets at once, .torrent links each in its turn (take_url).
Result<void> Watcher::follow_references(State& state, std::vector<FoundReference> const& found,
                                        Captured const& captured) {
  if (found.empty()) return ok();
  IMPOUND_TRY(
      told,
      session_.recorder().record(EntryDraft{
          "reference.found", references_body(found), state.source->settings.case_name, captured.result, {}, {}, {}}));
  terminal_.say("references  " + std::to_string(found.size()) + " found");
  Followed followed{*captured.result, told, found.size(), {}};
  if (state.source->settings.acquire == Pick::all) {  // "matched" needs a watch-list, and there is none yet
    Acquirable named = acquirable(found, captured);
    for (TorrentTarget& torrent : named.torrents) IMPOUND_CHECK(acquire(state, std::move(torrent), told));
    followed.urls.assign(std::make_move_iterator(named.links.begin()), std::make_move_iterator(named.links.end()));
  }
  if (followed.urls.empty()) return close_followed(state, followed.capture, followed.references);
  state.following.push_back(std::move(followed));
  return ok();
}

/// From here on the item is seen also by later runs: all that it names was begun.
Result<void> Watcher::close_followed(State& state, EntryId const& capture, std::size_t references) {
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{"job.closed",
                                                      {{"what", "references worked off"}, {"references", references}},
                                                      state.source->settings.case_name,
                                                      capture,
                                                      {},
                                                      {},
                                                      {}}));
  return ok();
}

/// One .torrent link, when its host's pace lets it go.
Result<void> Watcher::take_url(State& state) {
  fetchers::Url const url = state.following.front().urls.front();
  if (!may_ask_now(host_of(url), std::chrono::seconds{1}, state.url_booked, state.next_url_us)) return ok();
  state.url_asked = true;
  SourceSettings const& source = state.source->settings;
  return captures_.begin(
      {{.url = url, .route = source.route, .case_name = source.case_name, .cause = state.following.front().cause},
       [](Captured&) { return true; },
       [this, &state, url](Captured& captured) { return take_url_answer(state, url, captured); }});
}

Result<void> Watcher::take_url_answer(State& state, fetchers::Url const& url, Captured& captured) {
  state.url_asked = false;
  state.following.front().urls.pop_front();
  IMPOUND_CHECK(acquire_torrent(state, url, captured));
  if (interrupt_.asked() || !state.following.front().urls.empty())
    return ok();  // cut by a signal: the item stays open for the next run
  Followed const done = std::move(state.following.front());
  state.following.pop_front();
  return close_followed(state, done.capture, done.references);
}

Result<void> Watcher::acquire_torrent(State& state, fetchers::Url const& url, Captured& captured) {
  if (!captured.usable) {
    terminal_.say("not had     " + url.text() + ": " + captured.problem);
    return ok();
  }
  terminal_.say("captured    " + url.text());
  auto torrent = torrent_target(std::move(captured.body));
  if (!torrent) {
    terminal_.say("refused     " + url.text() + ": " + line(torrent.error()));
    IMPOUND_CHECK(session_.recorder().record(EntryDraft{
        "input.refused",
        {{"what", "torrent"}, {"where", shown(url.text(), 500)}, {"detail", shown(line(torrent.error()), 500)}},
        state.source->settings.case_name,
        captured.result,
        {},
        {},
        {}}));
    return ok();
  }
  torrent.value().torrent_capture = captured.result;
  torrent.value().torrent_media_type = captured.media_type;
  return acquire(state, std::move(torrent).value(), *captured.result);
}

Result<void> Watcher::acquire(State& state, TorrentTarget target, EntryId const& cause) {
  InfoHashes const hashes = target.hashes;
  Wanted wanted;
  wanted.target = std::move(target);
  wanted.cause = cause;
  wanted.route = state.source->settings.route;
  wanted.case_name = state.source->settings.case_name;
  wanted.timeout = settings_.torrent_timeout;
  auto const begun = acquisitions_.begin(std::move(wanted));
  if (!begun && begun.error().code == Code::usage) {  // its open attempt took a route that is gone: only it waits
    terminal_.say("not taken   " + text(hashes) + ": " + line(begun.error()));
    return ok();
  }
  if (!begun) return begun.error();
  if (begun.value().held)
    terminal_.say("held        " + text(hashes));
  else if (begun.value().erased)
    terminal_.say("erased      " + text(hashes) + ", by order: entry " + begun.value().erased->text());
  else if (!begun.value().running_already)
    terminal_.say("acquiring   " + text(hashes));
  return ok();
}

void Watcher::tell_outcomes() {
  for (AcquisitionOutcome const& outcome : acquisitions_.take_outcomes()) {
    ++tally_.acquisitions;
    anchoring_.want(false);
    if (outcome.state != "complete" && !outcome.goes_on_as) ++tally_.acquisitions_failed;
    orders_.tell(outcome);
    terminal_.say(outcome_text(outcome));
  }
}

}  // namespace impound::agent
