#include "fetchers/http/pace.h"

#include <algorithm>

namespace impound::fetchers {

namespace {

constexpr std::size_t hosts_kept = 4096;
constexpr std::int64_t day_us = 86'400'000'000;

}  // namespace

std::chrono::microseconds Pace::reserve(std::string const& host, std::chrono::microseconds interval) {
  std::int64_t const now = clock_.boot_us();
  forget_old(now);
  Host& entry = hosts_[host];
  std::int64_t go = std::max(now, entry.held_until_us);
  if (entry.asked) go = std::max(go, entry.last_us + interval.count());
  entry.last_us = go;
  entry.asked = true;
  return std::chrono::microseconds{go - now};
}

void Pace::hold(std::string const& host, std::chrono::microseconds for_time) {
  // A site may ask for a day; a header that asks for years is noise.
  auto const most = std::clamp<std::int64_t>(for_time.count(), 0, day_us);
  Host& entry = hosts_[host];
  entry.held_until_us = std::max(entry.held_until_us, clock_.boot_us() + most);
}

std::optional<std::chrono::microseconds> Pace::held_for(std::string const& host) const {
  auto const found = hosts_.find(host);
  std::int64_t const left = found == hosts_.end() ? 0 : found->second.held_until_us - clock_.boot_us();
  return left > 0 ? std::optional{std::chrono::microseconds{left}} : std::nullopt;
}

void Pace::forget_old(std::int64_t now_us) {
  if (hosts_.size() < hosts_kept) return;
  std::erase_if(hosts_, [&](auto const& entry) {
    return entry.second.last_us + day_us < now_us && entry.second.held_until_us < now_us;
  });
}

}  // namespace impound::fetchers
