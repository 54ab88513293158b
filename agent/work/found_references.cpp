#include "agent/work/found_references.h"

#include <string>
#include <utility>

#include "agent/service/terminal.h"
#include "agent/work/past.h"

namespace impound::agent {

using fetchers::ReferenceKind;

Json references_body(std::vector<fetchers::FoundReference> const& found) {
  Json counts = Json::object();
  Json first = Json::array();
  for (auto const& [reference, layer] : found) {
    std::string const kind = word(reference.kind);
    counts[kind] = counts.value(kind, 0) + 1;
    if (first.size() == entry_list_max) continue;
    Json one{{"kind", kind}, {"canonical", shown(reference.canonical, 300)}};
    add_hashes(one, reference.hashes);
    if (!reference.url.empty()) one["url"] = shown(reference.url, 300);
    first.push_back(std::move(one));
  }
  return Json{{"counts", std::move(counts)}, {"first", std::move(first)}, {"total", found.size()}};
}

Acquirable acquirable(std::vector<fetchers::FoundReference> const& found, Captured const& captured) {
  Acquirable named;
  auto page = fetchers::Url::parse(captured.final_url);
  if (page && !captured.base.empty())
    if (auto base = page.value().resolve(captured.base)) page = std::move(base);
  for (auto const& [reference, layer] : found) {
    if (named.torrents.size() + named.links.size() == acquirable_max) break;
    if (reference.kind == ReferenceKind::magnet) {
      auto target = magnet_target(reference.text);
      if (!target) target = magnet_target(reference.canonical);
      if (target) named.torrents.push_back(std::move(target).value());
    } else if (reference.kind == ReferenceKind::torrent_url && reference.confidence != fetchers::Confidence::low) {
      auto url = reference.url.empty() && page ? page.value().resolve(reference.canonical)
                                               : fetchers::Url::parse(reference.url);
      if (url) named.links.push_back(std::move(url).value());
    }
  }
  return named;
}

}  // namespace impound::agent
