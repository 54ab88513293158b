#include "fetchers/torrents/worker/web/web_seed_urls.h"

#include <algorithm>
#include <string_view>

namespace impound::fetchers {

namespace {

constexpr std::size_t hosts_max = 4;  // that a path without one is tried at

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

void add_encoded(std::string& url, char c) {
  constexpr char digits[] = "0123456789ABCDEF";
  url += '%';
  url += digits[static_cast<unsigned char>(c) >> 4];
  url += digits[c & 15];
}

std::string encoded(std::string_view bytes) {
  std::string text;
  for (char const c : bytes) {
    if (unreserved(c))
      text += c;
    else
      add_encoded(text, c);
  }
  return text;
}

/// What somebody wrote for a URL: characters that none has are encoded, the rest is theirs.
std::string repaired(std::string_view written) {
  std::string text;
  for (char const c : written) {
    bool const printable = c > ' ' && c <= '~';
    if (!printable || std::string_view{"\"<>\\^`{|}"}.find(c) != std::string_view::npos)
      add_encoded(text, c);
    else
      text += c;
  }
  return text;
}

bool is_whole(std::string const& url) { return url.starts_with("http://") || url.starts_with("https://"); }

}  // namespace

std::vector<WebSeed> readable_web_seeds(std::vector<WebSeed> const& named, std::size_t most) {
  std::vector<WebSeed> seeds;
  std::vector<std::string> hosts;
  auto const add = [&](WebSeed seed) {
    if (seeds.size() < most && std::find(seeds.begin(), seeds.end(), seed) == seeds.end())
      seeds.push_back(std::move(seed));
  };
  for (WebSeed const& seed : named) {
    if (!is_whole(seed.url)) continue;
    add(seed);
    auto const url = Url::parse(repaired(seed.url));
    if (!url || seed.by_ranges) continue;
    std::string const host =
        url.value().text().substr(0, url.value().text().find('/', url.value().scheme().size() + 3));
    if (hosts.size() < hosts_max && std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(host);
  }
  for (WebSeed const& seed : named)
    if (!is_whole(seed.url) && !seed.by_ranges && seed.url.starts_with('/') && !seed.url.starts_with("//"))
      for (std::string const& host : hosts) add({host + seed.url, false});
  return seeds;
}

Result<Url> file_url(std::string const& seed, Metainfo const& torrent, std::size_t file) {
  auto const& components = torrent.files.at(file).components;
  bool const alone = torrent.files.size() == 1 && components.size() == 1;
  std::string text = repaired(seed);
  if (alone && !text.ends_with('/')) return Url::parse(text);
  if (!text.ends_with('/')) text += '/';
  for (std::size_t i = 0; i < components.size(); ++i) {
    if (i > 0) text += '/';
    text += encoded(components[i]);
  }
  return Url::parse(text);
}

Result<Url> piece_url(std::string const& seed, Metainfo const& torrent, std::size_t piece, std::uint64_t size) {
  if (!torrent.hashes.v1 || size == 0)
    return Error{Code::malformed, "a web seed of BEP 17 is asked by the info-hash of v1", seed, {}};
  auto const& hash = torrent.hashes.v1->bytes;
  std::string text = repaired(seed);
  text += text.find('?') == std::string::npos ? "?info_hash=" : "&info_hash=";
  text += encoded({reinterpret_cast<char const*>(hash.data()), hash.size()});
  text += "&piece=" + std::to_string(piece) + "&ranges=0-" + std::to_string(size - 1);
  return Url::parse(text);
}

bool named_like_padding(TorrentFile const& file) {
  return std::any_of(file.components.begin(), file.components.end(),
                     [](std::string const& component) { return component.find("padding_file") != std::string::npos; });
}

}  // namespace impound::fetchers
