#include "agent/work/url_targets.h"

#include <memory>
#include <utility>

#include "agent/service/terminal.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t references_shown_max = 20;

Error nothing_had(Captured const& captured, fetchers::Url const& url) {
  return Error{Code::unreachable, "the URL gave nothing to acquire: " + captured.problem, url.text(), {}};
}

TorrentTarget brought_by(TorrentTarget torrent, Captured const& captured) {
  torrent.torrent_capture = captured.result;
  torrent.torrent_media_type = captured.media_type;
  return torrent;
}

}  // namespace

Result<void> UrlTargets::look(fetchers::Url const& url, Asker const& asker, Then<Found> then) {
  auto const came = std::make_shared<Looked>();
  return captures_.begin({{.url = url, .case_name = asker.case_name, .by = asker.by},
                          [this, came](Captured& answer) {
                            if (answer.usable) judge(answer, *came);
                            return true;
                          },
                          [this, url, asker, came, then = std::move(then)](Captured& captured) {
                            return then(found(url, asker, captured, *came));
                          }});
}

void UrlTargets::judge(Captured& answer, Looked& came) {
  came.torrent = torrent_target(answer.body);
  if (came.torrent) return;
  auto facts = reader_.page(answer);
  if (!facts) {
    came.read = std::move(facts).error();
    return;
  }
  came.page = std::move(facts).value();
  answer.detected_type = came.page.media_type;
  answer.charset = came.page.charset;
  answer.base = came.page.base;
  answer.references = came.page.found.size();
}

Result<UrlTargets::Found> UrlTargets::found(fetchers::Url const& url, Asker const& asker, Captured const& captured,
                                            Looked& came) {
  IMPOUND_CHECK(came.read);
  if (!captured.usable) return nothing_had(captured, url);
  if (came.torrent) return Found{brought_by(std::move(came.torrent).value(), captured)};
  fetchers::PageFacts const& page = came.page;
  IMPOUND_CHECK(reader_.tell_refused(asker.case_name, captured, page));
  say_("captured    " + shown(captured.final_url, 300));
  if (page.found.empty())
    return Error{Code::not_found, "what the URL gave is captured; it is no .torrent, and names nothing to acquire",
                 url.text(), captured.media_type.empty() ? "" : "Its server calls it " + captured.media_type};
  IMPOUND_TRY(told, session_.recorder().record(EntryDraft{
                        "reference.found", references_body(page.found), asker.case_name, captured.result, {}, {}, {}}));
  for (std::size_t i = 0; i < page.found.size() && i < references_shown_max; ++i) {
    fetchers::Reference const& one = page.found[i].reference;
    say_("references  " + std::string(word(one.kind)) + "  " + shown(one.url.empty() ? one.canonical : one.url, 200));
  }
  if (page.found.size() > references_shown_max)
    say_("references  and " + std::to_string(page.found.size() - references_shown_max) + " more");
  Page named{url, told, acquirable(page.found, captured)};
  if (named.named.torrents.empty() && named.named.links.empty())
    return Error{Code::not_found, "what the page names leads to no torrent", url.text(), {}};
  return Found{std::move(named)};
}

Result<void> UrlTargets::link(fetchers::Url const& url, Page const& page, Asker const& asker,
                              Then<TorrentTarget> then) {
  return captures_.begin(
      {{.url = url, .case_name = asker.case_name, .cause = page.told, .by = asker.by},
       [](Captured&) { return true; },
       [this, url, asker, then = std::move(then)](Captured& captured) { return then(linked(url, asker, captured)); }});
}

Result<TorrentTarget> UrlTargets::linked(fetchers::Url const& url, Asker const& asker, Captured& captured) {
  if (!captured.usable) return nothing_had(captured, url);
  auto torrent = torrent_target(std::move(captured.body));
  if (torrent) return brought_by(std::move(torrent).value(), captured);
  IMPOUND_CHECK(session_.recorder().record(EntryDraft{
      "input.refused",
      {{"what", "torrent"}, {"where", shown(url.text(), 500)}, {"detail", shown(line(torrent.error()), 500)}},
      asker.case_name,
      captured.result,
      {},
      {},
      {}}));
  return Error{Code::malformed,
               "what the link gave is captured, but it is no .torrent: " + line(torrent.error()),
               url.text(),
               {}};
}

Error not_acquired(UrlTargets::Page const& page) {
  std::size_t const count = page.named.torrents.size() + page.named.links.size();
  return Error{Code::refused, "the page names " + std::to_string(count) + " torrent(s), and none was acquired",
               page.url.text(), "The same command with --yes acquires them; or name one of them itself"};
}

bool UrlTargets::acquired_by_settings(fetchers::Url const& url) const {
  for (SourceSettings const& source : settings_.sources)
    if (auto const base = fetchers::Url::parse(source.base_url); base && base.value().same_origin(url))
      return source.acquire == Pick::all;
  return false;  // "matched" needs a watch-list
}

}  // namespace impound::agent
