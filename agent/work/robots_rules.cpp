#include "agent/work/robots_rules.h"

#include <string_view>
#include <utility>
#include <vector>

#include "evidence/values/error.h"

namespace impound::agent {

namespace {

constexpr std::int64_t known_us = 24ll * 3600 * 1'000'000;
constexpr std::int64_t closed_us = 600ll * 1'000'000;
constexpr std::size_t places_max = 1000;
constexpr std::uint64_t bytes_max = 500u << 10;  // as many as are read (RFC 9309 §2.5)
constexpr std::size_t redirects_max = 5;         // at least so many are followed (§2.3.1.2)

std::string place_of(fetchers::Url const& url) {
  return url.scheme() + "://" + url.host() + ":" + std::to_string(url.port());
}

/// The token before the version: "impound" of "impound/0.1 (+mailto:…)".
std::string product_of(std::string const& user_agent) { return user_agent.substr(0, user_agent.find_first_of("/ ")); }

/// Why the place is closed to us, "" when the answer says what is asked.
std::string problem_of(fetchers::Exchange const& answer) {
  if (answer.failed) return line(*answer.failed);
  if (answer.status >= 500 || answer.redirect()) return "status " + std::to_string(answer.status);
  if (answer.status != 200) return {};  // asks for nothing
  if (!answer.truncated.empty() && answer.truncated != "length") return "it was cut (" + answer.truncated + ")";
  if (answer.header("content-encoding")) return "a content coding that nobody asked for";
  return {};
}

/// Of a file that is longer than what is read of it, the last line may be half a rule.
std::string_view whole_lines(fetchers::Exchange const& answer) {
  std::string_view const text = answer.body;
  return answer.truncated.empty() ? text : text.substr(0, text.rfind('\n') + 1);
}

}  // namespace

bool RobotsRules::due(fetchers::Url const& url) const {
  auto const place = places_.find(place_of(url));
  return place == places_.end() || clock_.boot_us() >= place->second.until_us;
}

Result<void> RobotsRules::look(fetchers::Url const& url, std::string const& route,
                               std::optional<fetchers::Exemption> const& exempt, std::function<void()> then) {
  std::string const place = place_of(url);
  if (places_.size() >= places_max) places_.clear();
  auto const file = url.resolve("/robots.txt");
  if (!file) {  // any place has one
    places_[place] = closed(line(file.error()));
    then();
    return ok();
  }
  return captures_.look({.route = route,
                         .request = capture_request(settings_, file.value(), exempt),
                         .bytes_max = bytes_max,
                         .redirects_max = redirects_max,
                         .then = [this, place, then = std::move(then)](std::vector<fetchers::Exchange>& hops) {
                           places_[place] = read(hops.back());
                           then();
                           return ok();
                         }});
}

RobotsRules::Place RobotsRules::closed(std::string why) const {
  return {fetchers::Robots::closed(), std::move(why), clock_.boot_us() + closed_us};
}

RobotsRules::Place RobotsRules::read(fetchers::Exchange const& answer) const {
  std::string problem = problem_of(answer);
  if (!problem.empty()) return closed(std::move(problem));
  Place place{{}, {}, clock_.boot_us() + known_us};
  if (answer.status == 200)
    place.robots = fetchers::Robots::read(whole_lines(answer), product_of(settings_.user_agent));
  return place;
}

std::optional<RobotsRules::Refusal> RobotsRules::refusal(fetchers::Url const& url) const {
  auto const found = places_.find(place_of(url));
  std::string const asked = url.query().empty() ? url.path() : url.path() + "?" + url.query();
  if (found == places_.end() || found->second.robots.allows(asked)) return std::nullopt;
  Place const& place = found->second;
  std::string const file = "robots.txt of " + url.host();
  if (place.problem.empty()) return Refusal{file + " asks that it is left alone", std::nullopt};
  return Refusal{file + " could not be had (" + place.problem + ")", place.until_us};
}

}  // namespace impound::agent
