#include "agent/work/host_turns.h"

#include <algorithm>
#include <limits>

namespace impound::agent {

std::string host_of(fetchers::Url const& url) {
  bool const site = url.port() == 80 || url.port() == 443;
  return site ? url.host() : url.host() + ":" + std::to_string(url.port());
}

void HostTurns::wait_in_line(std::string const& host, std::uint64_t number) {
  Host& known = hosts_[host];
  known.waiting.push_back({number, clock_.boot_us()});
  if (!known.place && known.under_way < limits_.of_host_max) put(host, known, clock_.boot_us());
}

std::optional<std::uint64_t> HostTurns::next() {
  while (!due_.empty() && due_.begin()->first.first <= clock_.boot_us()) {
    std::string const name = std::move(due_.extract(due_.begin()).mapped());
    Host& host = hosts_.at(name);
    host.place.reset();
    auto const number = ask(name, host);
    if (host.waiting.empty() && host.under_way == 0) hosts_.erase(name);
    if (number) return number;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> HostTurns::ask(std::string const& name, Host& host) {
  std::int64_t const now = clock_.boot_us();
  std::int64_t const patience = limits_.patience.count();
  if (host.closed_since && now - *host.closed_since >= patience)
    give_up(host, now - patience,
            {Code::unreachable, "the host does not answer, and is not asked for a while", {}, {}});
  if (host.waiting.empty() || host.under_way >= limits_.of_host_max) return std::nullopt;
  if (!host.booked_us) {
    auto const wait = turn_in(name);
    if (wait > limits_.patience + limits_.pace) {
      give_up(host, std::numeric_limits<std::int64_t>::max(),
              {Code::unreachable, "the host wants no requests for a while", {}, {}});
      return std::nullopt;
    }
    host.booked_us = now + wait.count();
  }
  if (*host.booked_us > now) {
    put(name, host, *host.booked_us);
    return std::nullopt;
  }
  if (auto const closed = manners_.may_not(name)) {
    if (!host.closed_since) host.closed_since = now;
    std::int64_t const late = std::max(*host.closed_since, host.waiting.front().since_us) + patience;
    put(name, host, std::min(now + closed->count(), late));
    return std::nullopt;
  }
  host.booked_us.reset();
  std::uint64_t const number = host.waiting.front().number;
  host.waiting.pop_front();
  if (++host.under_way < limits_.of_host_max && !host.waiting.empty()) put(name, host, now);
  return number;
}

void HostTurns::ended(std::string const& host, fetchers::Exchange const& exchange) {
  manners_.ended(host, exchange);
  auto const found = hosts_.find(host);
  if (found == hosts_.end()) return;
  Host& known = found->second;
  --known.under_way;
  if (!exchange.failed && exchange.status < 500) known.closed_since.reset();
  if (!exchange.failed && (exchange.status == 429 || exchange.status == 503))
    known.booked_us.reset();  // its quiet counts
  if (known.place) {
    due_.erase(*known.place);
    known.place.reset();
  }
  if (!known.waiting.empty())
    put(host, known, clock_.boot_us());
  else if (known.under_way == 0)
    hosts_.erase(found);
}

std::optional<std::chrono::microseconds> HostTurns::due_in() const {
  if (due_.empty()) return std::nullopt;
  return std::chrono::microseconds{std::max<std::int64_t>(0, due_.begin()->first.first - clock_.boot_us())};
}

void HostTurns::put(std::string const& name, Host& host, std::int64_t at_us) {
  host.place = Place{at_us, places_++};
  due_.emplace(*host.place, name);
}

/// Who has turns of their own booked with the manners' (a pace of none here) must not wait for them again.
std::chrono::microseconds HostTurns::turn_in(std::string const& name) {
  if (limits_.pace.count() > 0) return manners_.reserve(name, limits_.pace);
  return manners_.quiet_for(name).value_or(std::chrono::microseconds{0});
}

void HostTurns::give_up_all(Error const& why) {
  due_.clear();
  for (auto& [name, host] : hosts_) {
    give_up(host, std::numeric_limits<std::int64_t>::max(), why);
    host.place.reset();
  }
  std::erase_if(hosts_, [](auto const& one) { return one.second.under_way == 0; });
}

void HostTurns::give_up(Host& host, std::int64_t since_before_us, Error const& why) {
  while (!host.waiting.empty() && host.waiting.front().since_us <= since_before_us) {
    given_up_.push_back({host.waiting.front().number, why});
    host.waiting.pop_front();
  }
}

}  // namespace impound::agent
