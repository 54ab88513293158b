#include "fetchers/http/host_manners.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "evidence/values/growing_gap.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t hosts_kept = 4096;
constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t retry_after_seconds_max = 366ll * 86'400;
constexpr std::size_t date_bytes_max = 64;

/// What says something of the host: not our own ending of it.
bool of_the_host(Exchange const& exchange) {
  if (!exchange.failed) return true;
  return exchange.failed->code != Code::cancelled && exchange.failed->code != Code::refused;
}

bool down(Exchange const& exchange) {
  if (exchange.failed) return exchange.failed->code == Code::unreachable || exchange.failed->code == Code::timeout;
  return exchange.status >= 500 && exchange.status != 503;
}

}  // namespace

std::optional<std::chrono::microseconds> retry_after(std::string_view value, std::int64_t utc_us) {
  std::int64_t seconds = 0;
  auto const [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc{} && end == value.data() + value.size()) {
    if (seconds < 0) return std::nullopt;
    return std::chrono::microseconds{std::min(seconds, retry_after_seconds_max) * second_us};
  }
  if (value.size() > date_bytes_max) return std::nullopt;
  std::int64_t const date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  std::int64_t const left = std::clamp<std::int64_t>(date - utc_us / second_us, 0, retry_after_seconds_max);
  return std::chrono::microseconds{left * second_us};
}

std::optional<std::chrono::microseconds> HostManners::closed_for(std::string const& host) const {
  auto const found = hosts_.find(host);
  if (found == hosts_.end() || found->second.breaks == 0) return std::nullopt;
  Host const& known = found->second;
  std::int64_t const now = clock_.boot_us();
  if (now < known.open_until_us) return std::chrono::microseconds{known.open_until_us - now};
  if (known.tries_alone) return std::chrono::microseconds{second_us};
  return std::nullopt;
}

std::optional<std::chrono::microseconds> HostManners::may_not(std::string const& host) {
  if (auto const closed = closed_for(host)) return closed;
  if (auto const found = hosts_.find(host); found != hosts_.end() && found->second.breaks > 0)
    found->second.tries_alone = true;
  return std::nullopt;
}

void HostManners::ended(std::string const& host, Exchange const& exchange) {
  std::int64_t const now = clock_.boot_us();
  if (!of_the_host(exchange)) {
    if (auto const found = hosts_.find(host); found != hosts_.end()) found->second.tries_alone = false;
    return;
  }
  bool const throttles = !exchange.failed && (exchange.status == 429 || exchange.status == 503);
  if (!throttles && !down(exchange)) {
    hosts_.erase(host);
    return;
  }
  forget_old(now);
  Host& known = hosts_[host];
  known.tries_alone = false;
  if (throttles) {
    known.failures = known.breaks = 0;  // it answers, so it is not down
    std::int64_t wait = gap_after(limits_.first_backoff, known.throttled++, limits_.backoff_max);
    if (auto const header = exchange.header("retry-after"))
      if (auto const asked = retry_after(*header, clock_.utc_us())) wait = std::max<std::int64_t>(wait, asked->count());
    return pace_.hold(host, std::chrono::microseconds{wait});
  }
  known.throttled = 0;
  if (++known.failures < limits_.failures_max && known.breaks == 0) return;
  known.open_until_us = now + gap_after(limits_.first_break, known.breaks++, limits_.break_max);
}

std::int64_t HostManners::gap_after(std::chrono::microseconds first, unsigned times, std::chrono::microseconds most) {
  std::uint32_t dice = 0;
  randomness_.fill(std::as_writable_bytes(std::span{&dice, 1}));
  return with_jitter(grown_gap(first.count(), times, most.count()), dice);
}

void HostManners::forget_old(std::int64_t now_us) {
  if (hosts_.size() < hosts_kept) return;
  std::erase_if(hosts_, [&](auto const& one) { return one.second.open_until_us < now_us && !one.second.tries_alone; });
  if (hosts_.size() >= hosts_kept) hosts_.erase(hosts_.begin());  // all of them down: one more is no worse
}

}  // namespace impound::fetchers
