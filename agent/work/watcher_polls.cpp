// How the watcher looks at lists, and what it says of that.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "agent/work/host_turns.h"
#include "agent/work/watcher.h"
#include "evidence/system/clock.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::int64_t tell_polls_at_least_us = 6ll * 3600 * 1'000'000;
constexpr std::int64_t tell_polls_at_most_us = 600ll * 1'000'000;
constexpr std::size_t waiting_unlisted_max = 10'000;

}  // namespace

/// One look at the list. What is new waits its turn; a list that cannot be read is counted, and told when that changed.
Result<void> Watcher::poll(State& state) {
  WatchedSource const& source = *state.source;
  auto const list_url = source.profile.list_url(source.base);
  if (!list_url) return list_url.error();
  auto const refusal = robots_refusal(state, list_url.value());
  if (!refusal) {
    if (!may_ask_now(host_of(source.base), source.profile.pace, state.poll_booked, state.next_poll_us)) return ok();
    IMPOUND_TRY(robots_asked, ask_robots(state, list_url.value()));
    if (robots_asked) return ok();
  }
  state.polled_once = true;
  state.next_poll_us =
      now_us() + std::chrono::microseconds{std::max(source.settings.interval, source.profile.list.interval)}.count();
  if (refusal) return note_poll(state, false, refusal->why);
  return ask_list(state, list_url.value());
}

/// Only a change is asked for, unless items wait for another try: they are known by being listed again.
Result<void> Watcher::ask_list(State& state, fetchers::Url const& url) {
  WatchedSource const& source = *state.source;
  fetchers::HttpRequest request = capture_request(settings_, url, source.own_place());
  if (state.retries.empty()) state.validators.add_to(request);
  state.list_asked = true;
  return captures_.look({.route = source.settings.route,
                         .request = std::move(request),
                         .then = [this, &state](std::vector<fetchers::Exchange>& hops) {
                           state.list_asked = false;
                           return take_list(state, hops.back());
                         }});
}

Result<void> Watcher::take_list(State& state, fetchers::Exchange const& answer) {
  WatchedSource const& source = *state.source;
  if (answer.failed) return note_poll(state, false, line(*answer.failed));
  if (answer.status == 304 && !state.validators.empty()) return note_poll(state, true, "");
  state.validators = {};
  if (answer.status != 200) return note_poll(state, false, "status " + std::to_string(answer.status));
  IMPOUND_TRY(page, reader_.list(source, answer));
  if (page.answer != fetchers::Answer::content)
    return note_poll(state, false, std::string("the site says: ") + word(page.answer));
  if (!page.list) return note_poll(state, false, "the list was refused: " + refusals_text(page));
  if (page.unreadable == 0) state.validators = fetchers::Validators::of(answer);
  state.listed += page.list->size();
  std::set<std::string> keys;
  for (fetchers::ListedItem const& item : *page.list) keys.insert(item.key);
  // What waits for its first turn and is listed no more may still be there: it stays, before what is newer.
  std::erase_if(state.waiting, [&](fetchers::ListedItem const& item) { return keys.contains(item.key); });
  while (state.waiting.size() > waiting_unlisted_max) {
    terminal_.say("given up    " + shown(state.waiting.front().key, 60) + " of " + source.settings.name +
                  ": more is listed than its pace lets be asked for");
    state.waiting.pop_front();
  }
  // What is listed no more and not owed a wait needs no try, and must not keep the list from being asked for by change.
  std::erase_if(state.retries, [&](auto const& retry) {
    return !keys.contains(retry.first) && retry.first != state.item_asked && retry_due(state, retry.first);
  });
  // Oldest first: the order of the log is then the order in which things appeared.
  for (auto item = page.list->rbegin(); item != page.list->rend(); ++item)
    if (!session_.past().seen(source.settings.name, item->key) && item->key != state.item_asked &&
        retry_due(state, item->key))
      state.waiting.push_back(std::move(*item));
  if (page.unreadable > 0)
    terminal_.say(source.settings.name + ": " + std::to_string(page.unreadable) +
                  " unreadable item(s) in the list: " + shown(page.unreadable_why, 300));
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
