#include "fetchers/references/scanner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fetchers/references/link_extent.h"
#include "fetchers/references/text_kinds.h"
#include "fetchers/url.h"

namespace impound::fetchers {

namespace {

constexpr auto nowhere = std::string_view::npos;
constexpr std::string_view torrent = ".torrent";
constexpr std::size_t label_bytes_max = 48;  // how far before a bare hash its label may stand

/// What was found so far. Each rule goes through the text once, from front to back, and ends when it has found
/// references_max.
struct Findings {
  std::string_view text;
  ScanLimits const& limits;
  std::vector<Reference> references;
  std::vector<std::pair<std::size_t, std::size_t>>
      magnets;  // [from, to) in order: what stands in there is part of the magnet
  std::size_t of_this_rule = 0;

  bool full() const { return of_this_rule >= limits.references_max; }

  void add(Reference reference, std::size_t at, std::size_t length) {
    reference.offset = at;
    reference.length = length;
    reference.text = std::string(text.substr(at, length));
    references.push_back(std::move(reference));
    ++of_this_rule;
  }

  bool in_magnet(std::size_t at) const {
    auto const behind =
        std::upper_bound(magnets.begin(), magnets.end(), at,
                         [](std::size_t position, auto const& range) { return position < range.first; });
    return behind != magnets.begin() && at < std::prev(behind)->second;
  }
};

Reference of_magnet(Magnet const& magnet, ReferenceKind kind, char const* rule, Confidence confidence) {
  Reference reference;
  reference.kind = kind;
  reference.canonical = magnet.canonical;
  reference.hashes = magnet.hashes;
  reference.rule = rule;
  reference.confidence = confidence;
  return reference;
}

// ---- magnets

void find_magnets(Findings& findings) {
  for (auto at = find_ci(findings.text, "magnet:"); at != nowhere && !findings.full();) {
    auto const length = link_length(findings.text, at);
    auto const magnet = parse_magnet(without_escapes(findings.text.substr(at, length)), findings.limits.magnet);
    if (magnet) {
      findings.add(of_magnet(magnet.value(), ReferenceKind::magnet, "magnet", Confidence::high), at, length);
      findings.magnets.emplace_back(at, at + length);
    }
    at = find_ci(findings.text, "magnet:", at + std::max<std::size_t>(length, 1));
  }
}

/// magnet%3A%3Fxt%3D…: a magnet as the value of another link's parameter, so an & ends it.
void find_escaped_magnets(Findings& findings) {
  auto const text = findings.text;
  decltype(findings.magnets) escaped;
  for (auto at = find_ci(text, "magnet%3a"); at != nowhere && !findings.full();) {
    auto const length = link_length(text.substr(0, text.find('&', at)), at);
    auto const magnet = parse_magnet(percent_decoded(text.substr(at, length), false), findings.limits.magnet);
    if (magnet && !findings.in_magnet(at)) {
      findings.add(of_magnet(magnet.value(), ReferenceKind::magnet, "magnet_escaped", Confidence::medium), at, length);
      escaped.emplace_back(at, at + length);
    }
    at = find_ci(text, "magnet%3a", at + std::max<std::size_t>(length, 1));
  }
  findings.magnets.insert(findings.magnets.end(), escaped.begin(), escaped.end());
  std::sort(findings.magnets.begin(), findings.magnets.end());
}

// ---- URLs

std::string_view last_segment(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

/// "File:X.torrent", in whatever language the wiki says File: a page about the torrent.
bool names_wiki_page(std::string_view segment) {
  return segment.find(':') != nowhere || find_ci(segment, "%3a") != nowhere;
}

std::optional<std::string> archive_item(Url const& url) {
  if (url.host() != "archive.org" && url.host() != "www.archive.org") return std::nullopt;
  std::string_view path = url.path();
  for (std::string_view const start : {"/details/", "/download/", "/stream/"}) {
    if (!path.starts_with(start)) continue;
    auto const item = path.substr(start.size()).substr(0, path.substr(start.size()).find('/'));
    bool const named = !item.empty() && item.size() <= 101 && (is_letter(item[0]) || is_digit(item[0])) &&
                       std::all_of(item.begin(), item.end(), [](char c) {
                         return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
                       });
    if (named) return std::string(item);
  }
  return std::nullopt;
}

std::optional<Reference> reference_of(Url const& url) {
  Reference reference;
  reference.kind = ReferenceKind::torrent_url;
  reference.canonical = reference.url = url.text();
  auto const item = archive_item(url);
  if (ends_with_ci(url.path(), torrent) && !names_wiki_page(last_segment(url.path()))) {
    reference.rule = item ? "archive_torrent" : "torrent_url";
    return reference;
  }
  if (item) {
    reference.kind = ReferenceKind::archive_item;
    reference.canonical = "https://archive.org/details/" + *item;
    reference.rule = "archive_item";
    return reference;
  }
  if (ends_with_ci(url.query(), torrent) && !names_wiki_page(url.query())) {
    reference.rule = "torrent_query";
    reference.confidence = Confidence::low;
    return reference;
  }
  return std::nullopt;
}

/// https://user:password@host/x.torrent: not fetched as it stands, yet an investigator wants to know of it.
std::optional<Reference> with_user(std::string const& link) {
  auto const host = link.find("//") + 2;
  auto const at = link.find('@', host);
  if (at == std::string::npos || at > link.find('/', host)) return std::nullopt;
  if (!ends_with_ci(std::string_view(link).substr(0, link.find_first_of("?#")), torrent)) return std::nullopt;
  Reference reference;
  reference.kind = ReferenceKind::torrent_url;
  reference.canonical = link;
  reference.rule = "torrent_url_user";
  reference.confidence = Confidence::low;
  return reference;
}

bool begins_url(std::string_view text) {
  text.remove_prefix(std::min<std::size_t>(text.size(), starts_with_ci(text, "https:") ? 6 : 5));
  return text.starts_with("//") || text.starts_with("\\/\\/");
}

void find_urls(Findings& findings) {
  for (std::size_t at = 0; !findings.full();) {
    at = find_ci(findings.text, "http", at);
    if (at == nowhere) return;
    auto const here = findings.text.substr(at);
    if (!(starts_with_ci(here, "http:") || starts_with_ci(here, "https:")) || !begins_url(here) ||
        findings.in_magnet(at)) {
      at += 4;
      continue;
    }
    auto const length = std::max<std::size_t>(link_length(findings.text, at), 4);
    auto const raw = findings.text.substr(at, length);
    bool const worth_it = find_ci(raw, torrent) != nowhere || find_ci(raw, "archive.org") != nowhere;
    if (worth_it && length <= findings.limits.url_bytes_max) {
      auto const link = without_escapes(raw);
      auto const url = Url::parse(link);
      auto found = url ? reference_of(url.value()) : with_user(link);
      if (found) findings.add(std::move(*found), at, length);
    }
    at += length;
  }
}

// ---- relative links

void take_relative_link(Findings& findings, std::size_t at, std::size_t length) {
  if (length == 0 || length > findings.limits.url_bytes_max) return;
  auto const link = without_escapes(findings.text.substr(at, length));
  auto const path = std::string_view(link).substr(0, link.find_first_of("?#"));
  auto const scheme = path.find(':');
  if (scheme != nowhere && scheme < path.find('/')) return;  // http:, magnet:, javascript:
  if (!ends_with_ci(path, torrent) || names_wiki_page(last_segment(path))) return;
  Reference reference;
  reference.kind = ReferenceKind::torrent_url;
  reference.canonical = link;
  reference.rule = "relative_torrent_link";
  reference.confidence = Confidence::medium;
  findings.add(std::move(reference), at, length);
}

/// The value of an attribute whose quotes say where it ends, so that a space may stand in it; 0 if it is too long.
std::size_t quoted_length(std::string_view text, std::size_t at, char quote, std::size_t bytes_max) {
  auto const end = text.substr(at, bytes_max + 1).find(quote);
  return end == nowhere ? 0 : end;
}

/// href=, src= and Markdown's ]( begin one; the walk goes on behind it, or it would read the same bytes again and
/// again.
void find_relative_links(Findings& findings) {
  auto const text = findings.text;
  for (auto at = text.find_first_of("=("); at != nowhere && !findings.full();) {
    auto start = at + 1;
    auto const before = text.substr(0, at);
    std::size_t length = 0;
    if (text[at] == '(' && before.ends_with(']')) {
      length = link_length(text, start);
    } else if (text[at] == '=' && start < text.size() &&
               (ends_with_ci(before, "href") || ends_with_ci(before, "src"))) {
      bool const quoted = text[start] == '"' || text[start] == '\'';
      length = quoted ? quoted_length(text, start + 1, text[start], findings.limits.url_bytes_max)
                      : link_length(text, start);
      start += quoted ? 1 : 0;
    }
    take_relative_link(findings, start, length);
    at = text.find_first_of("=(", start + length);
  }
}

// ---- bare info-hashes

/// The text on the same line before `at`, back to the hash before it: a label speaks for the hash right behind it.
std::string_view label_of(std::string_view text, std::size_t at, std::size_t behind_last_hash) {
  auto const from = std::max(behind_last_hash, at > label_bytes_max ? at - label_bytes_max : 0);
  auto label = text.substr(from, at - from);
  return label.substr(label.find_last_of('\n') + 1);
}

bool says_info_hash(std::string_view label) {
  for (std::string_view const word : {"infohash", "info hash", "info_hash", "info-hash", "btih", "btmh"})
    if (find_ci(label, word) != nowhere) return true;
  return false;
}

bool may_be_hash(std::string_view run, std::string_view label) {
  if (run.size() == 32) return ends_with_ci(label, "btih:") || ends_with_ci(label, "btih%3a");
  bool const length = run.size() == 40 || run.size() == 64 || (run.size() == 68 && run.starts_with("1220"));
  return length && std::all_of(run.begin(), run.end(), is_hex) && says_info_hash(label);
}

void find_labelled_hashes(Findings& findings) {
  auto const text = findings.text;
  auto const in_run = [](char c) { return is_letter(c) || is_digit(c); };
  std::size_t behind_last_hash = 0;
  for (std::size_t at = 0; at < text.size() && !findings.full();) {
    if (!in_run(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && in_run(text[end])) ++end;
    auto run = text.substr(at, end - at);
    // btih%3A<hash>: the escape's last two characters belong to the label.
    auto const escape = at > 0 && text[at - 1] == '%' && starts_with_ci(run, "3a") ? std::size_t{2} : 0;
    run.remove_prefix(escape);
    auto const start = at + escape;
    at = end;
    if (run.size() < 32 || run.size() > 68) continue;
    auto const label = label_of(text, start, behind_last_hash);
    behind_last_hash = end;
    if (findings.in_magnet(start) || !may_be_hash(run, label)) continue;
    if (auto const hash = parse_info_hash(run))
      findings.add(of_magnet(hash.value(), ReferenceKind::info_hash, "info_hash_labelled", Confidence::low), start,
                   run.size());
  }
}

}  // namespace

std::vector<Reference> scan(std::string_view text, ScanLimits const& limits) {
  Findings findings{text, limits, {}, {}};
  for (auto const rule : {find_magnets, find_escaped_magnets, find_urls, find_relative_links, find_labelled_hashes}) {
    findings.of_this_rule = 0;
    rule(findings);
  }
  auto& found = findings.references;
  std::stable_sort(found.begin(), found.end(), [](auto const& a, auto const& b) { return a.offset < b.offset; });
  if (found.size() > limits.references_max) found.resize(limits.references_max);
  return std::move(found);
}

}  // namespace impound::fetchers
