#include "agent/work/target.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "evidence/formats/hex.h"
#include "fetchers/references/magnet.h"
#include "fetchers/torrents/metainfo.h"

namespace impound::agent {

namespace {

constexpr std::string_view forms =
    "A TARGET is a magnet, an info-hash (40 or 64 hex digits, or 32 of base32), a .torrent file, its URL or the URL of "
    "a page";

bool looks_like_hash(std::string_view text) {
  for (char c : text)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) return false;
  return !text.empty();
}

Result<std::string> read_file(std::string const& path) {
  std::uint64_t const bytes_max = fetchers::MetainfoLimits{}.bytes_max;
  std::ifstream in(path, std::ios::binary);
  std::string bytes;
  char block[64 * 1024];
  while (in.read(block, sizeof block), in.gcount() > 0) {
    bytes.append(block, static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > bytes_max)
      return Error{
          Code::usage, "the file is larger than a .torrent may be (" + std::to_string(bytes_max) + " bytes)", path, {}};
  }
  if (!in.eof() || bytes.empty()) return Error{Code::usage, "cannot read the .torrent file, or it is empty", path, {}};
  return bytes;
}

Error usage(Error error, std::string const& text) {
  error.code = Code::usage;
  if (error.where.empty()) error.where = text.size() > 120 ? text.substr(0, 120) + "…" : text;
  if (error.hint.empty()) error.hint = forms;
  return error;
}

}  // namespace

std::optional<InfoHashes> named_torrent(std::string const& text) {
  auto const named = text.starts_with("magnet:") ? fetchers::parse_magnet(text, fetchers::MagnetLimits{})
                                                 : fetchers::parse_info_hash(text);
  return named ? std::optional{named.value().hashes} : std::nullopt;
}

Result<TorrentTarget> magnet_target(std::string_view magnet) {
  IMPOUND_TRY(parsed, fetchers::parse_magnet(magnet, fetchers::MagnetLimits{}));
  TorrentTarget target{parsed.hashes, parsed.name, parsed.trackers, parsed.peers, parsed.web_seeds, {}, {}, {}};
  target.select_only = parsed.select_only;
  return target;
}

Result<TorrentTarget> torrent_target(std::string bytes) {
  IMPOUND_TRY(metainfo, fetchers::read_torrent(bytes, fetchers::MetainfoLimits{}));
  return TorrentTarget{metainfo.hashes,    metainfo.name,       metainfo.trackers, {},
                       metainfo.web_seeds, metainfo.http_seeds, std::move(bytes),  {}};
}

Result<Target> parse_target_text(std::string const& text) {
  if (text.starts_with("magnet:")) {
    auto target = magnet_target(text);
    if (!target) return usage(std::move(target).error(), text);
    return Target{std::move(target).value()};
  }
  if (text.starts_with("http://") || text.starts_with("https://")) {
    auto url = fetchers::Url::parse(text);
    if (!url) return usage(std::move(url).error(), text);
    return Target{UrlTarget{std::move(url).value()}};
  }
  if (looks_like_hash(text) && text.size() == 64) {
    if (auto v2 = digest_from_hex<InfoHashV2>(text)) {
      TorrentTarget target;
      target.hashes.v2 = v2;
      return Target{std::move(target)};
    }
  }
  if (looks_like_hash(text) && (text.size() == 40 || text.size() == 32)) {
    auto target = magnet_target("magnet:?xt=urn:btih:" + text);
    if (!target) return usage(std::move(target).error(), text);
    return Target{std::move(target).value()};
  }
  if (looks_like_hash(text))
    return Error{Code::usage,
                 "an info-hash has 40 or 64 hex digits, or 32 of base32; this has " + std::to_string(text.size()) +
                     " characters",
                 text.substr(0, 120),
                 {}};
  return Error{Code::usage, "no magnet, info-hash, file or URL", text.substr(0, 120), std::string(forms)};
}

Result<Target> parse_target(std::string const& text) {
  struct stat found {};
  bool const address = text.starts_with("magnet:") || text.starts_with("http://") || text.starts_with("https://");
  if (!address && ::stat(text.c_str(), &found) == 0) {
    if (!S_ISREG(found.st_mode)) return Error{Code::usage, "this is no file", text, std::string(forms)};
    IMPOUND_TRY(bytes, read_file(text));
    auto target = torrent_target(std::move(bytes));
    if (!target) return usage(std::move(target).error(), text);
    return Target{std::move(target).value()};
  }
  return parse_target_text(text);
}

}  // namespace impound::agent
