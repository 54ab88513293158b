#include "fetchers/torrents/worker/web/web_way.h"

#include <algorithm>

#include "fetchers/torrents/printable.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t complaints_max = 3;

std::string count_of(std::size_t count, char const* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

Result<std::shared_ptr<WebWay const>> web_way(Configure const& from, int wake_descriptor) {
  auto way = std::make_shared<WebWay>();
  for (AllowedEndpoint const& one : from.allowed)
    IMPOUND_CHECK(way->policy.allow(AllowedRange{one.first, one.last, one.port}));
  way->user_agent = from.user_agent;
  way->proxy = from.way_out.proxy;
  way->wake_descriptor = wake_descriptor;
  return std::shared_ptr<WebWay const>{std::move(way)};
}

TriedWebSeed tried_web_seed(WebSeedTally const& tally, Metainfo const& torrent) {
  std::string last = printable(tally.last, tried_last_bytes_max);
  auto const say = [&](std::set<std::size_t> const& files, char const* what) {
    if (files.empty()) return;
    std::string const name = printable(torrent.files[*files.begin()].path_bytes, 80);
    last = count_of(files.size(), "file") + what + " (" + name + (files.size() > 1 ? ", ..." : "") + ")" +
           (last.empty() ? "" : "; " + last);
  };
  say(tally.gone, tally.gone.size() == 1 ? " is not there" : " are not there");
  say(tally.differs, tally.differs.size() == 1 ? " differs from the torrent" : " differ from the torrent");
  if (tally.differs.empty() && tally.failed_pieces > 0)
    last = count_of(tally.failed_pieces, "piece") + " differed from the torrent" + (last.empty() ? "" : "; " + last);
  return {tally.url, tally.pieces, tally.bytes, tally.failures + tally.failed_pieces,
          last.substr(0, tried_last_bytes_max)};
}

std::string complaints(std::vector<TriedWebSeed> const& seeds) {
  std::string text;
  std::size_t said = 0;
  for (TriedWebSeed const& seed : seeds) {
    if (seed.last.empty() || said++ == complaints_max) continue;
    text += (text.empty() ? "web seed " : "; web seed ") + printable(seed.url, 100) + ": " + seed.last;
  }
  return text;
}

}  // namespace impound::fetchers
