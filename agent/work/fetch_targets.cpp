#include "agent/work/fetch_targets.h"

#include <utility>
#include <variant>

namespace impound::agent {

bool of_the_log(Error const& error) {
  return error.code == Code::io || error.code == Code::damaged || error.code == Code::no_space;
}

Result<void> FetchTargets::begin(Target const& target) {
  if (auto const* torrent = std::get_if<TorrentTarget>(&target)) return begin(*torrent, torrent->torrent_capture);
  auto found = urls_.look(std::get<UrlTarget>(target).url, wish_.asker);
  if (!found && interrupted_()) {
    cut_ = true;
    return ok();
  }
  if (!found) return std::move(found).error();
  if (auto* const torrent = std::get_if<TorrentTarget>(&found.value())) {
    auto const cause = torrent->torrent_capture;
    return begin(std::move(*torrent), cause);
  }
  auto const& page = std::get<UrlTargets::Page>(found.value());
  return wants_(page) ? follow(page) : Result<void>{not_acquired(page)};
}

Result<void> FetchTargets::follow(UrlTargets::Page const& page) {
  for (TorrentTarget const& torrent : page.named.torrents) IMPOUND_CHECK(begin(torrent, page.told));
  for (fetchers::Url const& url : page.named.links) {
    if (interrupted_()) {
      cut_ = true;
      return ok();
    }
    auto torrent = urls_.link(url, page, wish_.asker);
    if (!torrent && of_the_log(torrent.error())) return std::move(torrent).error();
    if (!torrent) {
      talk_.fail(torrent.error());
      continue;
    }
    auto const cause = torrent.value().torrent_capture;
    IMPOUND_CHECK(begin(std::move(torrent).value(), cause));
  }
  return ok();
}

Result<void> FetchTargets::begin(TorrentTarget torrent, std::optional<EntryId> const& cause) {
  InfoHashes const hashes = torrent.hashes;
  std::size_t const sources = torrent.trackers.size() + torrent.peers.size() + torrent.web_seeds.size() +
                              torrent.http_seeds.size() + wish_.peers.size();
  Wanted wanted;
  wanted.cause = cause;
  wanted.target = std::move(torrent);
  wanted.by = wish_.asker.by;
  wanted.case_name = wish_.asker.case_name;
  wanted.peers = wish_.peers;
  wanted.metadata_only = wish_.metadata_only;
  wanted.timeout = wish_.timeout;
  IMPOUND_TRY(begun, acquisitions_.begin(std::move(wanted)));
  talk_.begun(hashes, begun, sources, asks_dht_);
  return ok();
}

}  // namespace impound::agent
