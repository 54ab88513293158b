#include "agent/work/watcher.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "agent/work/outcome_text.h"
#include "evidence/system/clock.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;
using fetchers::Reference;
using fetchers::ReferenceKind;

namespace {

constexpr std::size_t jobs_of_a_capture_max = 1000;
constexpr std::int64_t tell_polls_at_least_us = 6ll * 3600 * 1'000'000;
constexpr std::int64_t tell_polls_at_most_us = 600ll * 1'000'000;

std::int64_t us(std::chrono::seconds seconds) { return std::chrono::microseconds{seconds}.count(); }

}  // namespace

Watcher::Watcher(std::vector<WatchedSource> const& sources, Session& session, Settings const& settings,
                 fetchers::AddressPolicy const& policy, Routes const& routes, Anchoring& anchoring,
                 Interrupt& interrupt, Terminal& terminal)
    : session_(session),
      settings_(settings),
      interrupt_(interrupt),
      terminal_(terminal),
      clients_(session.clock(), policy, settings.user_agent, routes),
      pace_(session.clock()),
      captures_(session, settings, clients_, [this] { return interrupt_.asked(); }),
      acquisitions_(session, settings, policy, routes, terminal),
      anchoring_(anchoring),
      digests_(session) {
  for (WatchedSource const& source : sources) {
    State state;
    state.source = &source;
    state.next_poll_us = state.told_boot_us = now_us();
    states_.push_back(std::move(state));
  }
}

std::int64_t Watcher::now_us() { return session_.clock().boot_us(); }

Result<void> Watcher::run(bool once, std::optional<std::chrono::seconds> until) {
  std::int64_t const end_us = until ? now_us() + us(*until) : 0;
  IMPOUND_TRY(taken_up, acquisitions_.take_up_open());
  if (taken_up > 0) terminal_.say("going on with " + std::to_string(taken_up) + " acquisition(s) of an earlier run");
  while (!interrupt_.asked() && (!until || now_us() < end_us)) {
    for (State& state : states_) {
      if (now_us() >= state.next_poll_us && !(once && state.polled_once)) IMPOUND_CHECK(poll(state));
      if (!state.waiting.empty() && now_us() >= state.next_item_us) IMPOUND_CHECK(take_item(state));
      if (!state.following.empty() && now_us() >= state.next_url_us) IMPOUND_CHECK(take_url(state));
      if (interrupt_.asked()) break;
    }
    IMPOUND_CHECK(tell_due_polls());
    if (once && worked_off()) break;
    std::chrono::milliseconds const wait = until_next(once);
    bool const idle = acquisitions_.idle();
    IMPOUND_CHECK(acquisitions_.pump(idle ? std::chrono::milliseconds{0} : wait, interrupt_.descriptor()));
    if (idle && wait.count() > 0) IMPOUND_CHECK(wait_idly(wait));
    tell_outcomes();
  }
  tell_outcomes();
  acquisitions_.interrupt();
  for (State& state : states_) IMPOUND_CHECK(tell_polls(state));
  return ok();
}

/// Nothing runs and nothing is due: time for what can wait.
Result<void> Watcher::wait_idly(std::chrono::milliseconds wait) {
  IMPOUND_CHECK(session_.look_for_room());
  {
    std::jthread const digesting = digests_.begin();  // ends with this scope
    pollfd waiting{interrupt_.descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(wait.count()));
  }
  return digests_.outcome();
}

bool Watcher::worked_off() const {
  return acquisitions_.idle() && std::all_of(states_.begin(), states_.end(), [](State const& s) {
           return s.polled_once && s.waiting.empty() && s.following.empty();
         });
}

std::chrono::milliseconds Watcher::until_next(bool once) {
  std::int64_t next = now_us() + 1'000'000;
  for (State const& state : states_) {
    if (!(once && state.polled_once)) next = std::min(next, state.next_poll_us);
    if (!state.waiting.empty()) next = std::min(next, state.next_item_us);
    if (!state.following.empty()) next = std::min(next, state.next_url_us);
  }
  return std::chrono::milliseconds{std::max<std::int64_t>(0, (next - now_us() + 999) / 1000)};
}

/// True when the host's pace lets a request go now; otherwise its turn is booked and `next_us` says when it comes.
bool Watcher::may_ask_now(std::string const& host, std::chrono::microseconds pace, bool& booked,
                          std::int64_t& next_us) {
  if (std::exchange(booked, false)) return true;
  auto const wait = pace_.reserve(host, pace);
  booked = wait.count() > 0;
  if (booked) next_us = now_us() + wait.count();
  return !booked;
}

/// One look at the list. What is new waits its turn; a list that cannot be read is counted, and told when that changed.
Result<void> Watcher::poll(State& state) {
  WatchedSource const& source = *state.source;
  auto const list_url = source.profile.list_url(source.base);
  if (!list_url) return list_url.error();
  if (!may_ask_now(source.base.host(), source.profile.pace, state.poll_booked, state.next_poll_us)) return ok();
  state.polled_once = true;
  state.next_poll_us = now_us() + std::max(us(source.settings.interval), us(source.profile.list.interval));
  fetchers::HttpLimits limits;
  limits.timeout = settings_.capture_timeout;
  limits.cancelled = [this] { return interrupt_.asked(); };
  fetchers::Exchange const answer =
      clients_.by(source.settings.route)
          .get({list_url.value(), {}, fetchers::Exemption{source.base.host(), source.base.port()}}, limits);
  if (answer.failed) return note_poll(state, false, line(*answer.failed));
  if (answer.status != 200) return note_poll(state, false, "status " + std::to_string(answer.status));
  if (auto const said = source.profile.judge(answer.body); said != fetchers::Answer::content)
    return note_poll(state, false, std::string("the site says: ") + word(said));
  auto list = fetchers::read_json_list(answer.body, source.profile, fetchers::ListLimits{});
  if (!list) return note_poll(state, false, line(list.error()));
  state.listed += list.value().items.size();
  state.waiting.clear();
  // Oldest first: the order of the log is then the order in which things appeared.
  for (auto item = list.value().items.rbegin(); item != list.value().items.rend(); ++item)
    if (!session_.past().seen(source.settings.name, item->key) && retry_due(state, item->key))
      state.waiting.push_back(std::move(*item));
  if (list.value().unreadable > 0)
    terminal_.say(source.settings.name + ": " + std::to_string(list.value().unreadable) +
                  " unreadable item(s) in the list: " + list.value().unreadable_why);
  return note_poll(state, true, "");
}

Result<void> Watcher::note_poll(State& state, bool good, std::string const& why) {
  ++tally_.polls;
  ++state.polls;
  std::int64_t const utc = session_.clock().utc_us();
  if (state.first_utc_us == 0) state.first_utc_us = utc;
  state.last_utc_us = utc;
  if (!good) {
    ++tally_.polls_failed;
    ++state.failed;
  }
  if (good == !state.down) return ok();
  state.down = !good;
  Json body{{"source", state.source->settings.name}, {"state", good ? "up" : "down"}};
  if (!why.empty()) body["detail"] = shown(why, 500);
  terminal_.say(state.source->settings.name + (good ? " answers again" : " cannot be read: " + why));
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"source.changed", std::move(body), state.source->settings.case_name, {}, {}, {}, {}}));
  return ok();
}

Result<void> Watcher::take_item(State& state) {
  WatchedSource const& source = *state.source;
  if (!may_ask_now(source.base.host(), source.profile.pace, state.item_booked, state.next_item_us)) return ok();
  fetchers::ListedItem const item = std::move(state.waiting.front());
  state.waiting.pop_front();
  auto const url = source.profile.item_url(source.base, item.key);
  if (!url) return url.error();
  CaptureOrder order{.url = url.value(),
                     .route = source.settings.route,
                     .exempt = fetchers::Exemption{source.base.host(), source.base.port()},
                     .source = source.settings.name,
                     .key = item.key,
                     .title = item.title,
                     .author = item.author,
                     .published_us = item.published_us,
                     .case_name = source.settings.case_name};
  std::vector<Reference> found;
  IMPOUND_TRY(captured, captures_.capture(order, [&](Captured& answer) {
    auto const said = answer.usable ? source.profile.judge(answer.body) : fetchers::Answer::content;
    if (said != fetchers::Answer::content) {
      answer.usable = false;
      answer.problem = std::string("the site says: ") + word(said);
    }
    if (answer.usable) {
      found = fetchers::scan(answer.body, fetchers::ScanLimits{});
      answer.references = found.size();
    }
    if (source.settings.keep != Pick::matched) return source.settings.keep == Pick::all;
    return answer.references > 0;
  }));
  if (!captured.usable) {
    try_later(state, item.key);
    return ok();
  }
  state.retries.erase(item.key);
  session_.past().mark_seen(source.settings.name, item.key);
  ++tally_.captured;
  ++state.fresh;
  terminal_.say("captured    " + url.value().text() +
                (item.title.empty() ? "" : "  \"" + shown(item.title, 60) + "\"") +
                (item.author.empty() ? "" : " by " + shown(item.author, 40)));
  return follow_references(state, found, captured);
}

bool Watcher::retry_due(State const& state, std::string const& key) {
  auto const retry = state.retries.find(key);
  return retry == state.retries.end() || now_us() >= retry->second.not_before_us;
}

/// Waits longer after each failure, up to six hours: a removed paste is no reason for two entries a minute.
void Watcher::try_later(State& state, std::string const& key) {
  Retry& retry = state.retries[key];
  std::int64_t const gap = us(state.source->settings.interval) << std::min(retry.tries, 12u);
  ++retry.tries;
  retry.not_before_us = now_us() + std::min(gap, tell_polls_at_least_us);
}

/// Tells what was found and begins what may be acquired: magnets at once, .torrent links each in its turn (take_url).
Result<void> Watcher::follow_references(State& state, std::vector<Reference> const& found, Captured const& captured) {
  if (found.empty()) return ok();
  Json counts = Json::object();
  Json first = Json::array();
  for (Reference const& reference : found) {
    std::string const kind = word(reference.kind);
    counts[kind] = counts.value(kind, 0) + 1;
    if (first.size() == entry_list_max) continue;
    Json one{{"kind", kind}, {"canonical", shown(reference.canonical, 300)}};
    add_hashes(one, reference.hashes);
    if (!reference.url.empty()) one["url"] = shown(reference.url, 300);
    first.push_back(std::move(one));
  }
  Json body{{"counts", counts}, {"first", first}, {"total", found.size()}};
  IMPOUND_TRY(told,
              session_.recorder().record(EntryDraft{
                  "reference.found", std::move(body), state.source->settings.case_name, captured.result, {}, {}, {}}));
  terminal_.say("references  " + std::to_string(found.size()) + " found");
  Followed followed{*captured.result, told, found.size(), {}};
  std::size_t jobs = 0;
  for (Reference const& reference : found) {
    // "matched" needs a watch-list, and there is none yet.
    if (state.source->settings.acquire != Pick::all || ++jobs > jobs_of_a_capture_max) break;
    if (reference.kind == ReferenceKind::magnet) {
      auto target = magnet_target(reference.text);
      if (!target) target = magnet_target(reference.canonical);
      if (target) IMPOUND_CHECK(acquire(state, std::move(target).value(), told));
    } else if (reference.kind == ReferenceKind::torrent_url && reference.confidence != fetchers::Confidence::low) {
      auto const page = fetchers::Url::parse(captured.final_url);
      auto url = reference.url.empty() && page ? page.value().resolve(reference.canonical)
                                               : fetchers::Url::parse(reference.url);
      if (url) followed.urls.push_back(std::move(url).value());
    }
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
  Followed& followed = state.following.front();
  fetchers::Url const url = followed.urls.front();
  if (!may_ask_now(url.host(), std::chrono::seconds{1}, state.url_booked, state.next_url_us)) return ok();
  followed.urls.pop_front();
  IMPOUND_CHECK(acquire_torrent_url(state, url, followed.cause));
  if (interrupt_.asked() || !followed.urls.empty())
    return ok();  // cut by a signal: the item stays open for the next run
  Followed const done = std::move(state.following.front());
  state.following.pop_front();
  return close_followed(state, done.capture, done.references);
}

Result<void> Watcher::acquire_torrent_url(State& state, fetchers::Url const& url, EntryId const& cause) {
  CaptureOrder order{
      .url = url, .route = state.source->settings.route, .case_name = state.source->settings.case_name, .cause = cause};
  IMPOUND_TRY(captured, captures_.capture(order, [](Captured&) { return true; }));
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
    terminal_.say(outcome_text(outcome));
  }
}

Result<void> Watcher::tell_due_polls() {
  for (State& state : states_) {
    std::int64_t const silent_us = now_us() - state.told_boot_us;
    bool const something = state.fresh > 0 || state.failed > 0;
    if (silent_us >= tell_polls_at_least_us || (something && silent_us >= tell_polls_at_most_us))
      IMPOUND_CHECK(tell_polls(state));
  }
  return ok();
}

Result<void> Watcher::tell_polls(State& state) {
  state.told_boot_us = now_us();
  if (state.polls == 0) return ok();
  auto const url = state.source->profile.list_url(state.source->base);
  Json body{{"source", state.source->settings.name},
            {"url", url ? url.value().text() : state.source->base.text()},
            {"polls", state.polls},
            {"listed", state.listed},
            {"new", state.fresh},
            {"failed", state.failed},
            {"first_utc", utc_text(state.first_utc_us)},
            {"last_utc", utc_text(state.last_utc_us)}};
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"source.polled", std::move(body), state.source->settings.case_name, {}, {}, {}, {}}));
  state.polls = state.listed = state.fresh = state.failed = 0;
  state.first_utc_us = state.last_utc_us = 0;
  return ok();
}

}  // namespace impound::agent
