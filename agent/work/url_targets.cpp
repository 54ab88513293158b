#include "agent/work/url_targets.h"

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

Result<std::variant<TorrentTarget, UrlTargets::Page>> UrlTargets::look(fetchers::Url const& url, Asker const& asker) {
  using Found = std::variant<TorrentTarget, Page>;
  CaptureOrder order{.url = url, .case_name = asker.case_name, .by = asker.by};
  Result<TorrentTarget> torrent = Error{};
  fetchers::PageFacts page;
  Result<void> read = ok();
  IMPOUND_TRY(captured, captures_.capture(order, [&](Captured& answer) {
    if (!answer.usable) return true;
    torrent = torrent_target(answer.body);
    if (torrent) return true;
    auto facts = reader_.page(answer);
    if (!facts) {
      read = std::move(facts).error();
      return true;
    }
    page = std::move(facts).value();
    answer.detected_type = page.media_type;
    answer.charset = page.charset;
    answer.base = page.base;
    answer.references = page.found.size();
    return true;
  }));
  IMPOUND_CHECK(read);
  if (!captured.usable) return nothing_had(captured, url);
  if (torrent) return Found{brought_by(std::move(torrent).value(), captured)};
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
  Page found{url, told, acquirable(page.found, captured)};
  if (found.named.torrents.empty() && found.named.links.empty())
    return Error{Code::not_found, "what the page names leads to no torrent", url.text(), {}};
  return Found{std::move(found)};
}

Result<TorrentTarget> UrlTargets::link(fetchers::Url const& url, Page const& page, Asker const& asker) {
  CaptureOrder order{.url = url, .case_name = asker.case_name, .cause = page.told, .by = asker.by};
  IMPOUND_TRY(captured, captures_.capture(order, [](Captured&) { return true; }));
  if (!captured.usable) return nothing_had(captured, url);
  auto torrent = torrent_target(captured.body);
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
