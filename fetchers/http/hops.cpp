#include "fetchers/http/hops.h"

#include <string>
#include <utility>

namespace impound::fetchers {

namespace {

// Only bounds what a stranger's Location can put into an error.
constexpr std::size_t shown_bytes_max = 200;

}  // namespace

std::optional<HttpRequest> next_hop(std::vector<Exchange>& chain, HttpRequest const& request, HttpRequest const& last,
                                    Clock& clock, std::size_t hops_max) {
  Exchange const& answer = chain.back();
  auto const location = answer.header("location");
  if (answer.failed || !answer.redirect() || !location) return std::nullopt;
  Exchange refused;
  refused.started_us = refused.ended_us = clock.utc_us();
  auto target = last.url.resolve(*location);
  if (!target) {
    refused.url = std::string(location->substr(0, shown_bytes_max));
    refused.failed = target.error();
  } else if (chain.size() > hops_max) {
    refused.url = target.value().text();
    refused.failed =
        Error{Code::refused, "more than " + std::to_string(hops_max) + " redirects", request.url.text(), {}};
  } else {
    HttpRequest next = last;
    // What was meant for one origin (a token, an API key) is told to no other.
    if (!target.value().same_origin(request.url)) next.headers.clear();
    next.url = std::move(target).value();
    return next;
  }
  chain.push_back(std::move(refused));
  return std::nullopt;
}

}  // namespace impound::fetchers
