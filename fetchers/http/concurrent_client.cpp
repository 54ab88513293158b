#include "fetchers/http/concurrent_client.h"

#include <curl/curl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <utility>

#include "evidence/system/descriptor.h"
#include "fetchers/http/asked.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t spare_handles_max = 256;
constexpr int events_max = 64;

struct MultiClose {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

using Instant = std::chrono::steady_clock::time_point;

}  // namespace

struct ConcurrentClient::State {
  /// A request and what it needs until its end.
  struct UnderWay {
    UnderWay(Asking const& asking, std::uint64_t number_, HttpRequest request_, HttpLimits limits_, bool exempt)
        : number(number_),
          request(std::move(request_)),
          limits(std::move(limits_)),
          asked(asking, request, limits, {}, true, exempt) {}
    std::uint64_t number;
    HttpRequest request;
    HttpLimits limits;
    Asked asked;
    Handle handle{};
  };
  /// Connections that may serve each other's requests.
  struct Pool {
    State& state;
    std::unique_ptr<CURLM, MultiClose> multi{curl_multi_init()};
    std::optional<Instant> timer{};
    std::map<CURL*, std::unique_ptr<UnderWay>> under_way{};
  };

  State(Clock& clock, AddressPolicy const& policy, std::string user_agent, std::optional<Proxy> proxy)
      : asking{clock, policy, sendable_agent(std::move(user_agent)), std::move(proxy)} {}
  ~State() {
    for (Pool* const pool : {&plain, &exempt})
      for (auto& [handle, one] : pool->under_way) curl_multi_remove_handle(pool->multi.get(), handle);
  }

  static int on_socket(CURL*, curl_socket_t socket, int what, void* data, void* known);
  static int on_timer(CURLM*, long wait_ms, void* data);
  Result<void> set_up(Pool& pool, ConcurrencyLimits const& limits);
  void act(Pool& pool, curl_socket_t socket, int mask);
  void collect(Pool& pool);
  void end(std::uint64_t number, Asked& asked) { ended.push_back({number, std::move(asked.exchange())}); }
  int wait_ms(std::chrono::milliseconds wait) const;

  Asking asking;
  Descriptor epoll;
  std::map<curl_socket_t, Pool*> sockets;  // libcurl speaks of them until its pools are gone
  std::vector<Handle> spare;
  std::vector<Ended> ended;
  Pool plain{*this};
  Pool exempt{*this};
};

/// libcurl wants to hear of other things of a socket, or of nothing any more.
int ConcurrentClient::State::on_socket(CURL*, curl_socket_t socket, int what, void* data, void*) {
  auto& pool = *static_cast<Pool*>(data);
  State& state = pool.state;
  if (what == CURL_POLL_REMOVE) {
    state.sockets.erase(socket);
    epoll_ctl(state.epoll.number(), EPOLL_CTL_DEL, socket, nullptr);  // closed already: it left by itself
    return 0;
  }
  epoll_event wanted{};
  if ((what & CURL_POLL_IN) != 0) wanted.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) wanted.events |= EPOLLOUT;
  wanted.data.fd = socket;
  bool const known = !state.sockets.emplace(socket, &pool).second;
  state.sockets[socket] = &pool;
  if (epoll_ctl(state.epoll.number(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &wanted) == 0) return 0;
  // A number that another socket had, which was closed without a word.
  return epoll_ctl(state.epoll.number(), errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &wanted);
}

int ConcurrentClient::State::on_timer(CURLM*, long wait_ms, void* data) {
  auto& timer = static_cast<Pool*>(data)->timer;
  if (wait_ms < 0)
    timer.reset();
  else
    timer = std::chrono::steady_clock::now() + std::chrono::milliseconds{wait_ms};
  return 0;
}

Result<void> ConcurrentClient::State::set_up(Pool& pool, ConcurrencyLimits const& limits) {
  CURLM* const multi = pool.multi.get();
  if (multi == nullptr) return Error{Code::io, "out of memory", {}, {}};
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &pool);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &pool);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, long{CURLPIPE_MULTIPLEX});
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(limits.connections));
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(limits.connections_of_host));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(limits.connections));
  return ok();
}

void ConcurrentClient::State::act(Pool& pool, curl_socket_t socket, int mask) {
  if (socket == CURL_SOCKET_TIMEOUT) pool.timer.reset();
  int running = 0;
  curl_multi_socket_action(pool.multi.get(), socket, mask, &running);
}

void ConcurrentClient::State::collect(Pool& pool) {
  int left = 0;
  while (CURLMsg const* const message = curl_multi_info_read(pool.multi.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode const code = message->data.result;
    auto found = pool.under_way.extract(message->easy_handle);
    if (!found) continue;
    UnderWay& one = *found.mapped();
    one.asked.end(code);
    curl_multi_remove_handle(pool.multi.get(), found.key());  // the message is gone with it
    end(one.number, one.asked);
    if (spare.size() < spare_handles_max) spare.push_back(std::move(one.handle));
  }
}

int ConcurrentClient::State::wait_ms(std::chrono::milliseconds wait) const {
  if (!ended.empty()) return 0;
  auto until = std::max(wait, std::chrono::milliseconds{0});
  for (Pool const* const pool : {&plain, &exempt})
    if (pool->timer) {
      auto const left = *pool->timer - std::chrono::steady_clock::now();
      until = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds{0}, until);
    }
  return static_cast<int>(std::min<std::int64_t>(until.count(), 3'600'000));
}

ConcurrentClient::ConcurrentClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConcurrentClient::~ConcurrentClient() = default;

Result<std::unique_ptr<ConcurrentClient>> ConcurrentClient::make(Clock& clock, AddressPolicy const& policy,
                                                                 std::string user_agent, std::optional<Proxy> proxy,
                                                                 ConcurrencyLimits const& limits) {
  auto state = std::make_unique<State>(clock, policy, std::move(user_agent), std::move(proxy));
  state->epoll = Descriptor{epoll_create1(EPOLL_CLOEXEC)};
  if (!state->epoll) return from_errno(errno, "cannot wait for many connections", {});
  IMPOUND_CHECK(state->set_up(state->plain, limits));
  IMPOUND_CHECK(state->set_up(state->exempt, limits));
  return std::unique_ptr<ConcurrentClient>{new ConcurrentClient(std::move(state))};
}

void ConcurrentClient::begin(std::uint64_t number, HttpRequest request, HttpLimits limits) {
  State& state = *state_;
  bool const exempt = exempt_here(request);
  State::Pool& pool = exempt ? state.exempt : state.plain;
  auto one = std::make_unique<State::UnderWay>(state.asking, number, std::move(request), std::move(limits), exempt);
  if (state.spare.empty()) state.spare.emplace_back(curl_easy_init());
  one->handle = std::move(state.spare.back());
  state.spare.pop_back();
  CURL* const handle = one->handle.get();
  if (!one->asked.begin(handle)) return state.end(number, one->asked);
  pool.under_way.emplace(handle, std::move(one));
  if (curl_multi_add_handle(pool.multi.get(), handle) == CURLM_OK) return;
  auto const failed = pool.under_way.extract(handle);
  failed.mapped()->asked.end(CURLE_FAILED_INIT);
  state.end(number, failed.mapped()->asked);
}

std::size_t ConcurrentClient::under_way() const {
  return state_->plain.under_way.size() + state_->exempt.under_way.size() + state_->ended.size();
}

void ConcurrentClient::run(std::chrono::milliseconds wait, int wake_descriptor) {
  State& state = *state_;
  std::array<epoll_event, events_max> events{};
  int const most = state.wait_ms(wait);
  if (wake_descriptor >= 0 && most > 0) {
    std::array<pollfd, 2> both{{{state.epoll.number(), POLLIN, 0}, {wake_descriptor, POLLIN, 0}}};
    (void)::poll(both.data(), both.size(), most);
  }
  int const count = epoll_wait(state.epoll.number(), events.data(), events_max, wake_descriptor >= 0 ? 0 : most);
  for (int i = 0; i < count; ++i) {
    auto const& event = events[static_cast<std::size_t>(i)];
    auto const found = state.sockets.find(event.data.fd);
    if (found == state.sockets.end()) continue;  // closed by what an event before this one led to
    int mask = 0;
    if ((event.events & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR;
    state.act(*found->second, event.data.fd, mask);
  }
  auto const now = std::chrono::steady_clock::now();
  for (State::Pool* const pool : {&state.plain, &state.exempt}) {
    if (pool->timer && *pool->timer <= now) state.act(*pool, CURL_SOCKET_TIMEOUT, 0);
    state.collect(*pool);
  }
}

int ConcurrentClient::descriptor() const { return state_->epoll.number(); }

std::chrono::milliseconds ConcurrentClient::due_in(std::chrono::milliseconds wait) const {
  return std::chrono::milliseconds{state_->wait_ms(wait)};
}

std::vector<ConcurrentClient::Ended> ConcurrentClient::take() { return std::exchange(state_->ended, {}); }

}  // namespace impound::fetchers
