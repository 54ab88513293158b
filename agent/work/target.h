// What a person or a paste names: a magnet, a bare info-hash, a .torrent; parsed once, before any vault is opened.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "evidence/values/entry_id.h"
#include "evidence/values/info_hash.h"
#include "evidence/values/result.h"
#include "fetchers/url.h"

namespace impound::agent {

struct TorrentTarget {
  InfoHashes hashes;
  std::string name;  // as the magnet says; a hint, never a path
  std::vector<std::string> trackers;
  std::vector<std::string> peers;          // x.pe, host:port: content, so not exempt from the address table
  std::vector<std::string> web_seeds;      // content, too; ws= of a magnet, url-list of a .torrent (BEP 19)
  std::vector<std::string> http_seeds{};   // httpseeds of a .torrent (BEP 17)
  std::optional<std::string> torrent;      // bytes of a .torrent
  std::optional<EntryId> torrent_capture;  // the capture that brought it, when it came over HTTP
  std::string torrent_media_type{};        // as its server claimed it; "" when nobody did
  std::string select_only{};               // so= of a magnet, raw
};

/// A URL whose answer must be looked at before it is known what to acquire.
struct UrlTarget {
  fetchers::Url url;
};

using Target = std::variant<TorrentTarget, UrlTarget>;

/// `text`: magnet, info-hash (40 or 64 hex digits, 32 of base32), path of a .torrent file, URL. Code::usage says what
/// is wrong.
Result<Target> parse_target(std::string const& text);

/// The same of somebody else's text: no file of ours is meant by it.
Result<Target> parse_target_text(std::string const& text);

/// The hashes that a magnet or a bare info-hash names; nothing for every other text.
std::optional<InfoHashes> named_torrent(std::string const& text);

/// The target that a magnet names. Code::malformed as the parser of magnets says.
Result<TorrentTarget> magnet_target(std::string_view magnet);

/// The target that the bytes of a .torrent name.
Result<TorrentTarget> torrent_target(std::string bytes);

}  // namespace impound::agent
