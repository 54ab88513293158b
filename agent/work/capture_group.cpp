#include "agent/work/capture_group.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agent/work/capture_packing.h"
#include "agent/work/capture_result.h"
#include "agent/work/host_turns.h"
#include "evidence/system/any_readable.h"
#include "fetchers/http/concurrent_client.h"
#include "fetchers/http/hops.h"

namespace impound::agent {

using fetchers::ConcurrentClient;
using fetchers::Exchange;
using fetchers::HttpRequest;

namespace {

using Instant = std::chrono::steady_clock::time_point;

/// A capture between its attempt and its last hop, or a look.
struct Begun {
  HttpRequest first;
  HttpRequest hop;  // under way, or next
  ConcurrentClient* client = nullptr;
  std::size_t redirects_max = 0;
  std::uint64_t bytes_max = 0;            // of a hop's body
  std::optional<CaptureWish> wish{};      // else a look
  std::optional<EntryId> attempt{};       // of the wish
  decltype(Look::then) looked = nullptr;  // a look's
  std::vector<Exchange> hops{};
  std::uint64_t bytes = 0;  // of bodies that it holds
};

/// Recorded, and not told.
struct Recorded {
  Captured captured;
  decltype(CaptureWish::then) then;
};
struct Looked {
  std::vector<Exchange> hops;
  decltype(Look::then) then;
};

std::uint64_t bytes_of_bodies(Exchange const& hop) { return hop.body.size() + hop.response_body.size(); }

}  // namespace

struct CaptureGroup::State {
  State(Session& session_, Settings const& settings_, Routes const& routes_, fetchers::AddressPolicy const& policy_,
        std::function<bool()> cancelled_, CaptureGroupLimits const& limits_, AnyReadable any_)
      : session(session_),
        settings(settings_),
        routes(routes_),
        policy(policy_),
        cancelled(std::move(cancelled_)),
        limits(limits_),
        manners(session_.clock(), session_.randomness(), limits_.manners),
        turns(session_.clock(), manners, {limits_.of_host_max, limits_.pace, settings_.capture_timeout}),
        any(std::move(any_)) {}

  Result<ConcurrentClient*> client_of(std::string const& route);
  void wait_in_line(Begun one);
  bool room() const;
  void start();
  void give_up();
  std::chrono::milliseconds due_in(std::chrono::milliseconds wait) const;
  void take_answers();
  void answered(std::uint64_t number, Exchange exchange);
  void ended(std::uint64_t number);
  void take_packed();
  bool commit_due() const;
  Result<void> commit();
  Result<void> record(std::vector<PackedResult> group, std::vector<evidence::EntryDraft> drafts, bool kept);
  Result<void> tell();

  Session& session;
  Settings const& settings;
  Routes const& routes;
  fetchers::AddressPolicy const& policy;
  std::function<bool()> cancelled;
  CaptureGroupLimits limits;
  fetchers::HostManners manners;
  HostTurns turns;
  AnyReadable any;
  std::map<std::string, std::unique_ptr<ConcurrentClient>> clients;  // by route
  std::unordered_map<std::uint64_t, Begun> begun;
  std::uint64_t numbers = 0;
  std::size_t asked = 0;         // requests under way
  std::uint64_t held_bytes = 0;  // of bodies
  std::unique_ptr<CapturePacking> packing;
  std::vector<PackedResult> ready;  // packed, and not in WARC
  Instant first_ready;
  std::vector<Recorded> recorded;
  std::vector<Looked> looked;
  std::optional<Error> broken;
};

Result<ConcurrentClient*> CaptureGroup::State::client_of(std::string const& name) {
  Route const* const route = routes.find(name);
  if (route == nullptr) return Error{Code::usage, "no such route in the settings", name, {}};
  if (auto const known = clients.find(route->name); known != clients.end()) return known->second.get();
  IMPOUND_TRY(made, ConcurrentClient::make(session.clock(), policy, settings.user_agent, route->proxy,
                                           {limits.under_way_max, limits.of_host_max}));
  IMPOUND_CHECK(any.add(made->descriptor()));
  return (clients[route->name] = std::move(made)).get();
}

void CaptureGroup::State::wait_in_line(Begun one) {
  std::uint64_t const number = numbers++;
  turns.wait_in_line(host_of(one.hop.url), number);
  begun.emplace(number, std::move(one));
}

/// For one more request. What is held is let go of only by those under way, packed or ready; when there are none, one
/// that waits for its next hop holds it, and goes on.
bool CaptureGroup::State::room() const {
  std::size_t const behind = packing->count() + ready.size();
  if (asked == 0 && behind == 0) return true;
  return asked < limits.under_way_max && asked + behind < limits.under_way_max + limits.group_max &&
         held_bytes < limits.body_bytes_max;
}

void CaptureGroup::State::start() {
  if (cancelled()) turns.give_up_all({Code::cancelled, "stopped", {}, {}});
  fetchers::HttpLimits http;
  http.timeout = settings.capture_timeout;
  http.cancelled = cancelled;
  while (room()) {
    auto const number = turns.next();
    if (!number) break;
    Begun& one = begun.at(*number);
    ++asked;
    http.bytes_max = one.bytes_max;
    one.client->begin(*number, one.hop, http);
  }
  give_up();
}

void CaptureGroup::State::give_up() {
  for (HostTurns::GivenUp& one : turns.take_given_up()) {
    Begun& known = begun.at(one.number);
    Exchange unasked;
    unasked.url = known.hop.url.text();
    unasked.started_us = unasked.ended_us = session.clock().utc_us();
    unasked.failed = std::move(one.why);
    unasked.failed->where = unasked.url;
    known.hops.push_back(std::move(unasked));
    ended(one.number);
  }
}

std::chrono::milliseconds CaptureGroup::State::due_in(std::chrono::milliseconds wait) const {
  using std::chrono::milliseconds;
  for (auto const& [route, client] : clients) wait = std::min(wait, client->due_in(wait));
  if (auto const due = room() ? turns.due_in() : std::nullopt)
    wait = std::min(wait, std::chrono::ceil<milliseconds>(*due));
  if (!ready.empty()) {
    auto const left = first_ready + limits.group_age_max - std::chrono::steady_clock::now();
    wait = std::min(wait, std::chrono::ceil<milliseconds>(left));
  }
  return std::clamp(wait, milliseconds{0}, milliseconds{3'600'000});
}

void CaptureGroup::State::take_answers() {
  for (auto const& [route, client] : clients) {
    client->run(std::chrono::milliseconds{0});
    for (ConcurrentClient::Ended& one : client->take()) answered(one.number, std::move(one.exchange));
  }
}

void CaptureGroup::State::answered(std::uint64_t number, Exchange exchange) {
  Begun& one = begun.at(number);
  --asked;
  turns.ended(host_of(one.hop.url), exchange);
  std::uint64_t const bytes = bytes_of_bodies(exchange);
  one.bytes += bytes;
  held_bytes += bytes;
  one.hops.push_back(std::move(exchange));
  if (one.redirects_max == 0) return ended(number);
  auto next = fetchers::next_hop(one.hops, one.first, one.hop, session.clock(), one.redirects_max);
  if (!next) return ended(number);
  one.hop = std::move(*next);
  turns.wait_in_line(host_of(one.hop.url), number);
}

void CaptureGroup::State::ended(std::uint64_t number) {
  Begun ending = std::move(begun.extract(number).mapped());
  if (!ending.wish) {
    held_bytes -= ending.bytes;
    looked.push_back({std::move(ending.hops), std::move(ending.looked)});
    return;
  }
  Captured captured = judged(ending.hops);
  bool const kept = ending.wish->judge(captured) && last_answer(ending.hops) != nullptr;
  EndedCapture one{
      std::move(ending.wish->order), *ending.attempt, std::move(ending.hops), std::move(captured), kept, ending.bytes,
      std::move(ending.wish->then)};
  one.bytes += one.captured.body.size();
  held_bytes += one.captured.body.size();
  packing->add(std::move(one));
}

void CaptureGroup::State::take_packed() {
  bool const first = ready.empty();
  for (PackedResult& one : packing->take()) ready.push_back(std::move(one));
  if (first && !ready.empty()) first_ready = std::chrono::steady_clock::now();
}

bool CaptureGroup::State::commit_due() const {
  if (ready.empty()) return false;
  return ready.size() >= limits.group_max || (asked == 0 && packing->count() == 0) ||
         std::chrono::steady_clock::now() >= first_ready + limits.group_age_max;
}

/// What was appended before one that could not be is named all the same: nothing in WARC waits for a name.
Result<void> CaptureGroup::State::commit() {
  std::size_t const most = std::min(ready.size(), limits.group_max);
  std::vector<PackedResult> group;
  std::vector<evidence::EntryDraft> drafts;
  std::optional<Error> refused;
  bool kept = false;
  for (std::size_t i = 0; i < most && !refused; ++i) {
    PackedResult& one = ready[i];
    if (!one.records) refused = one.records.error();
    if (one.kept && one.records) {
      auto const written = session.append_to_warc(one.records.value());
      if (!written) {
        refused = written.error();
      } else {
        one.body["records"] = records_json(written.value());
        kept = true;
      }
    }
    if (refused) break;
    one.records = evidence::PackedCapture{};
    drafts.push_back(result_draft(one.order, one.attempt, std::move(one.body)));
    group.push_back(std::move(one));
  }
  ready.erase(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(group.size()));
  if (!ready.empty()) first_ready = std::chrono::steady_clock::now();
  // Records in WARC that the log could not name are adopted by the next start, not by this one.
  auto done = record(std::move(group), std::move(drafts), kept);
  if (done && !refused) return ok();
  Error const error = done ? *refused : done.error();
  if (!done || error.code != Code::no_space) broken = error;
  return error;
}

Result<void> CaptureGroup::State::record(std::vector<PackedResult> group, std::vector<evidence::EntryDraft> drafts,
                                         bool kept) {
  evidence::WarcWriter* warc = nullptr;
  if (kept) {
    IMPOUND_TRY(opened, session.warc());
    warc = opened;
    IMPOUND_CHECK(warc->sync());
  }
  IMPOUND_TRY(ids, session.recorder().record(std::move(drafts)));
  if (warc != nullptr) warc->all_named();
  for (std::size_t i = 0; i < group.size(); ++i) {
    PackedResult& one = group[i];
    held_bytes -= one.bytes;
    one.captured.result = ids[i];
    recorded.push_back({std::move(one.captured), std::move(one.then)});
  }
  return ok();
}

Result<void> CaptureGroup::State::tell() {
  for (Looked& one : std::exchange(looked, {})) IMPOUND_CHECK(one.then(one.hops));
  for (Recorded& one : std::exchange(recorded, {})) IMPOUND_CHECK(one.then(one.captured));
  return ok();
}

CaptureGroup::CaptureGroup(std::unique_ptr<State> state) : state_(std::move(state)) {}
CaptureGroup::~CaptureGroup() = default;

Result<std::unique_ptr<CaptureGroup>> CaptureGroup::make(Session& session, Settings const& settings,
                                                         Routes const& routes, fetchers::AddressPolicy const& policy,
                                                         std::function<bool()> cancelled,
                                                         CaptureGroupLimits const& limits) {
  IMPOUND_TRY(any, AnyReadable::make());
  IMPOUND_TRY(packing, CapturePacking::make(session.randomness()));
  IMPOUND_CHECK(any.add(packing->descriptor()));
  auto state = std::make_unique<State>(session, settings, routes, policy, std::move(cancelled), limits, std::move(any));
  state->packing = std::move(packing);
  return std::unique_ptr<CaptureGroup>{new CaptureGroup(std::move(state))};
}

Result<void> CaptureGroup::begin(std::vector<CaptureWish> wishes) {
  State& state = *state_;
  if (state.broken) return *state.broken;
  std::vector<evidence::EntryDraft> drafts;
  std::vector<ConcurrentClient*> clients;
  drafts.reserve(wishes.size());
  for (CaptureWish const& wish : wishes) {
    IMPOUND_TRY(client, state.client_of(wish.order.route));
    clients.push_back(client);
    drafts.push_back(attempt_draft(wish.order, state.routes.at(wish.order.route)));
  }
  IMPOUND_TRY(attempts, state.session.recorder().record(std::move(drafts)));
  // Beyond this line each of them gets its result.
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    CaptureWish& wish = wishes[i];
    HttpRequest const request = capture_request(state.settings, wish.order.url, wish.order.exempt);
    Begun one{request, request, clients[i], fetchers::redirects_max, state.settings.capture_bytes_max};
    one.wish = std::move(wish);
    one.attempt = attempts[i];
    state.wait_in_line(std::move(one));
  }
  return ok();
}

Result<void> CaptureGroup::begin(CaptureWish wish) {
  std::vector<CaptureWish> one;
  one.push_back(std::move(wish));
  return begin(std::move(one));
}

Result<void> CaptureGroup::look(Look look) {
  State& state = *state_;
  if (state.broken) return *state.broken;
  IMPOUND_TRY(client, state.client_of(look.route));
  Begun one{look.request, look.request, client, look.redirects_max, look.bytes_max};
  one.looked = std::move(look.then);
  state.wait_in_line(std::move(one));
  return ok();
}

std::size_t CaptureGroup::under_way() const {
  return state_->begun.size() + state_->packing->count() + state_->ready.size() + state_->recorded.size() +
         state_->looked.size();
}

fetchers::HostManners& CaptureGroup::manners() { return state_->manners; }

int CaptureGroup::descriptor() const { return state_->any.descriptor(); }

std::chrono::milliseconds CaptureGroup::due_in(std::chrono::milliseconds wait) const { return state_->due_in(wait); }

Result<void> CaptureGroup::run(std::chrono::milliseconds wait, int wake_descriptor) {
  State& state = *state_;
  if (state.broken) return *state.broken;
  state.start();
  bool const over = !state.looked.empty();  // without a word to anybody
  std::array<pollfd, 2> waited{{{descriptor(), POLLIN, 0}, {wake_descriptor, POLLIN, 0}}};
  (void)::poll(waited.data(), wake_descriptor >= 0 ? 2 : 1, over ? 0 : static_cast<int>(due_in(wait).count()));
  state.take_answers();
  state.start();
  state.take_packed();
  while (state.commit_due()) IMPOUND_CHECK(state.commit());
  return state.tell();
}

}  // namespace impound::agent
