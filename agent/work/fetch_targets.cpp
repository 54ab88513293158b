#include "agent/work/fetch_targets.h"

#include <memory>
#include <utility>
#include <variant>

namespace impound::agent {

bool of_the_log(Error const& error) {
  return error.code == Code::io || error.code == Code::damaged || error.code == Code::no_space;
}

Result<void> FetchTargets::begin(Target const& target) {
  if (auto const* torrent = std::get_if<TorrentTarget>(&target)) return begin(*torrent, torrent->torrent_capture);
  auto then = [this](Result<UrlTargets::Found> found) -> Result<void> {
    --waiting_;
    if (found) return told(take(std::move(found).value()));
    cut_ = cut_ || interrupted_();
    return cut_ && !of_the_log(found.error()) ? ok() : told(found.error());
  };
  IMPOUND_CHECK(urls_.look(std::get<UrlTarget>(target).url, wish_.asker, std::move(then)));
  ++waiting_;
  return ok();
}

Result<void> FetchTargets::told(Result<void> done) {
  if (done || of_the_log(done.error())) return done;
  talk_.fail(done.error());
  return ok();
}

Result<void> FetchTargets::take(UrlTargets::Found found) {
  if (auto* const torrent = std::get_if<TorrentTarget>(&found)) {
    auto const cause = torrent->torrent_capture;
    return begin(std::move(*torrent), cause);
  }
  auto& page = std::get<UrlTargets::Page>(found);
  if (!wants_(page)) return not_acquired(page);
  for (TorrentTarget const& torrent : page.named.torrents) IMPOUND_CHECK(begin(torrent, page.told));
  return follow(std::make_shared<Followed>(Followed{std::move(page)}));
}

Result<void> FetchTargets::follow(std::shared_ptr<Followed> const& followed) {
  if (followed->next == followed->page.named.links.size()) return ok();
  if (interrupted_()) {
    cut_ = true;
    return ok();
  }
  fetchers::Url const url = followed->page.named.links[followed->next++];
  auto then = [this, followed](Result<TorrentTarget> torrent) -> Result<void> {
    --waiting_;
    Result<void> begun = ok();
    if (torrent) {
      auto const cause = torrent.value().torrent_capture;
      begun = begin(std::move(torrent).value(), cause);
    } else {
      begun = torrent.error();
    }
    IMPOUND_CHECK(told(std::move(begun)));
    return follow(followed);
  };
  IMPOUND_CHECK(urls_.link(url, followed->page, wish_.asker, std::move(then)));
  ++waiting_;
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
