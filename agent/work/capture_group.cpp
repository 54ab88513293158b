#include "agent/work/capture_group.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agent/work/capture_packing.h"
#include "agent/work/capture_result.h"
#include "agent/work/host_turns.h"
#include "fetchers/http/concurrent_client.h"
#include "fetchers/http/hops.h"

namespace impound::agent {

using fetchers::ConcurrentClient;
using fetchers::Exchange;
using fetchers::HttpRequest;

namespace {

using Instant = std::chrono::steady_clock::time_point;

/// A capture between its attempt and its last hop.
struct Begun {
  EndedCapture capture;
  HttpRequest first;
  HttpRequest hop;  // under way, or next
  ConcurrentClient* client = nullptr;
};

std::uint64_t bytes_of_bodies(Exchange const& hop) { return hop.body.size() + hop.response_body.size(); }

}  // namespace

struct CaptureGroup::State {
  State(Session& session_, Settings const& settings_, Routes const& routes_, fetchers::AddressPolicy const& policy_,
        Judge judge_, CaptureGroupLimits const& limits_)
      : session(session_),
        settings(settings_),
        routes(routes_),
        policy(policy_),
        judge(std::move(judge_)),
        limits(limits_),
        turns(session_.clock(), session_.randomness(),
              {limits_.of_host_max, limits_.pace, settings_.capture_timeout, limits_.manners}) {
    http.bytes_max = settings.capture_bytes_max;
    http.timeout = settings.capture_timeout;
  }

  Result<ConcurrentClient*> client_of(Route const& route);
  bool room() const;
  void start();
  void give_up();
  void wait_for_something(std::chrono::milliseconds wait, int wake_descriptor) const;
  void take_answers();
  void answered(std::uint64_t number, Exchange exchange);
  void ended(std::uint64_t number);
  void take_packed();
  bool commit_due() const;
  Result<void> commit();
  Result<void> record(std::vector<PackedResult> group, std::vector<evidence::EntryDraft> drafts, bool kept);

  Session& session;
  Settings const& settings;
  Routes const& routes;
  fetchers::AddressPolicy const& policy;
  Judge judge;
  CaptureGroupLimits limits;
  fetchers::HttpLimits http;
  HostTurns turns;
  std::map<std::string, std::unique_ptr<ConcurrentClient>> clients;  // by route
  std::unordered_map<std::uint64_t, Begun> begun;
  std::uint64_t numbers = 0;
  std::size_t asked = 0;         // requests under way
  std::uint64_t held_bytes = 0;  // of bodies
  std::unique_ptr<CapturePacking> packing;
  std::vector<PackedResult> ready;  // packed, and not in WARC
  Instant first_ready;
  std::vector<GroupCapture> finished;
  std::optional<Error> broken;
};

Result<ConcurrentClient*> CaptureGroup::State::client_of(Route const& route) {
  auto& client = clients[route.name];
  if (client) return client.get();
  IMPOUND_TRY(made, ConcurrentClient::make(session.clock(), policy, settings.user_agent, route.proxy,
                                           {limits.under_way_max, limits.of_host_max}));
  client = std::move(made);
  return client.get();
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
  while (room()) {
    auto const number = turns.next();
    if (!number) break;
    Begun& one = begun.at(*number);
    ++asked;
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
    known.capture.hops.push_back(std::move(unasked));
    ended(one.number);
  }
}

void CaptureGroup::State::wait_for_something(std::chrono::milliseconds wait, int wake_descriptor) const {
  using std::chrono::milliseconds;
  std::vector<pollfd> waited{{packing->descriptor(), POLLIN, 0}};
  if (wake_descriptor >= 0) waited.push_back({wake_descriptor, POLLIN, 0});
  for (auto const& [route, client] : clients) {
    waited.push_back({client->descriptor(), POLLIN, 0});
    wait = std::min(wait, client->due_in(wait));
  }
  if (auto const due = room() ? turns.due_in() : std::nullopt)
    wait = std::min(wait, std::chrono::ceil<milliseconds>(*due));
  if (!ready.empty()) {
    auto const left = first_ready + limits.group_age_max - std::chrono::steady_clock::now();
    wait = std::min(wait, std::chrono::ceil<milliseconds>(left));
  }
  auto const most = std::clamp<std::int64_t>(wait.count(), 0, 3'600'000);
  (void)::poll(waited.data(), waited.size(), static_cast<int>(most));
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
  one.capture.bytes += bytes;
  held_bytes += bytes;
  one.capture.hops.push_back(std::move(exchange));
  auto next = fetchers::next_hop(one.capture.hops, one.first, one.hop, session.clock(), fetchers::redirects_max);
  if (!next) return ended(number);
  one.hop = std::move(*next);
  turns.wait_in_line(host_of(one.hop.url), number);
}

void CaptureGroup::State::ended(std::uint64_t number) {
  EndedCapture one = std::move(begun.extract(number).mapped().capture);
  one.captured = judged(one.hops);
  one.kept = judge(one.order, one.captured) && last_answer(one.hops) != nullptr;
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
    finished.push_back({std::move(one.order), std::move(one.captured)});
  }
  return ok();
}

CaptureGroup::CaptureGroup(std::unique_ptr<State> state) : state_(std::move(state)) {}
CaptureGroup::~CaptureGroup() = default;

Result<std::unique_ptr<CaptureGroup>> CaptureGroup::make(Session& session, Settings const& settings,
                                                         Routes const& routes, fetchers::AddressPolicy const& policy,
                                                         Judge judge, CaptureGroupLimits const& limits) {
  auto state = std::make_unique<State>(session, settings, routes, policy, std::move(judge), limits);
  IMPOUND_TRY(packing, CapturePacking::make(session.randomness()));
  state->packing = std::move(packing);
  return std::unique_ptr<CaptureGroup>{new CaptureGroup(std::move(state))};
}

Result<void> CaptureGroup::begin(std::vector<CaptureOrder> orders) {
  State& state = *state_;
  if (state.broken) return *state.broken;
  std::vector<evidence::EntryDraft> drafts;
  std::vector<ConcurrentClient*> clients;
  drafts.reserve(orders.size());
  for (CaptureOrder const& order : orders) {
    Route const* const route = state.routes.find(order.route);
    if (route == nullptr) return Error{Code::usage, "no such route in the settings", order.route, {}};
    IMPOUND_TRY(client, state.client_of(*route));
    clients.push_back(client);
    drafts.push_back(attempt_draft(order, *route));
  }
  IMPOUND_TRY(attempts, state.session.recorder().record(std::move(drafts)));
  // Beyond this line each of them gets its result.
  for (std::size_t i = 0; i < orders.size(); ++i) {
    HttpRequest request = capture_request(state.settings, orders[i].url, orders[i].exempt);
    std::uint64_t const number = state.numbers++;
    state.turns.wait_in_line(host_of(request.url), number);
    state.begun.emplace(number,
                        Begun{{std::move(orders[i]), attempts[i], {}, {}, false, 0}, request, request, clients[i]});
  }
  return ok();
}

std::size_t CaptureGroup::under_way() const {
  return state_->begun.size() + state_->packing->count() + state_->ready.size() + state_->finished.size();
}

Result<std::vector<GroupCapture>> CaptureGroup::run(std::chrono::milliseconds wait, int wake_descriptor) {
  State& state = *state_;
  if (state.broken) return *state.broken;
  state.start();
  if (!state.finished.empty()) wait = std::chrono::milliseconds{0};
  state.wait_for_something(wait, wake_descriptor);
  state.take_answers();
  state.start();
  state.take_packed();
  while (state.commit_due()) IMPOUND_CHECK(state.commit());
  return std::exchange(state.finished, {});
}

}  // namespace impound::agent
