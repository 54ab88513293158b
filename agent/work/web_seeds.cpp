#include "agent/work/web_seeds.h"

#include <algorithm>

#include "agent/service/terminal.h"
#include "agent/work/listed_sources.h"
#include "fetchers/url.h"

namespace impound::agent {

namespace {

constexpr std::size_t url_bytes_max = 1'000;  // as an entry lists it: nobody is asked whom the log cannot name

bool whole_url(std::string const& url) { return url.find("://") != std::string::npos; }

}  // namespace

bool web_seed_allowed(std::string const& url, fetchers::AddressPolicy const& policy) {
  if (!whole_url(url)) return true;
  auto const parsed = fetchers::Url::parse(url);
  if (!parsed || !parsed.value().is_literal()) return true;  // what is no URL is told as such, and not asked
  return policy.check(parsed.value().host(), parsed.value().port(), false).has_value();
}

std::vector<fetchers::WebSeed> web_seeds_for(TorrentTarget const& target, fetchers::AddressPolicy const& policy) {
  std::vector<fetchers::WebSeed> seeds;
  auto const add = [&](std::vector<std::string> const& urls, bool by_ranges) {
    for (std::string const& url : urls) {
      bool const http = url.starts_with("http://") || url.starts_with("https://");
      bool const part = !by_ranges && url.starts_with('/');
      if ((http || part) && url.size() <= url_bytes_max && web_seed_allowed(url, policy))
        seeds.push_back({url, by_ranges});
    }
  };
  add(target.web_seeds, false);
  add(target.http_seeds, true);
  return seeds;
}

Json tried_web_seeds(std::vector<fetchers::TriedWebSeed> const& tried, std::vector<fetchers::WebSeed> const& asked) {
  Json list = Json::array();
  for (fetchers::TriedWebSeed const& one : tried) {
    bool const known = std::any_of(asked.begin(), asked.end(), [&](fetchers::WebSeed const& seed) {
      return one.url == seed.url || (!whole_url(seed.url) && one.url.ends_with(seed.url));
    });
    if (!known || list.size() == fetchers::tried_web_seeds_max) continue;
    Json row{{"url", shown(one.url, url_bytes_max)},
             {"pieces", one.pieces},
             {"bytes", json_number(one.bytes)},
             {"failures", one.failures}};
    if (!one.last.empty()) row["last"] = shown(one.last, fetchers::tried_last_bytes_max);
    list.push_back(std::move(row));
  }
  return list;
}

void add_web_seeds(Json& body, TorrentTarget const& target) {
  if (!target.web_seeds.empty()) body["web_seeds"] = listed(target.web_seeds);
  if (!target.http_seeds.empty()) body["http_seeds"] = listed(target.http_seeds);
}

void add_web_seeds(Json& body, std::vector<fetchers::WebSeed> const& seeds) {
  TorrentTarget target;
  for (fetchers::WebSeed const& seed : seeds)
    (seed.by_ranges ? target.http_seeds : target.web_seeds).push_back(seed.url);
  add_web_seeds(body, target);
}

}  // namespace impound::agent
