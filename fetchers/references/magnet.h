// Magnet links as torrents use them (BEP 9, BEP 53, BEP 52's btmh): foreign text in, a proven value out.
//
// Both hashes come out where both are given. An xt that is no BitTorrent name, or whose hash has the wrong length or
// other characters, is passed over and counted; none that is right, or two different ones of one version, is an error.
// 32 characters that are all hexadecimal digits are refused: they are a hex hash that was cut, not base32. `&amp;` and
// kin (HTML, JSON) separate as `&` does. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/info_hash.h"
#include "evidence/values/result.h"

namespace impound::fetchers {

struct MagnetLimits {
  std::size_t bytes_max = 16'384;     // of the link; longer is refused
  std::size_t parameters_max = 1024;  // more are refused
  std::size_t list_max = 256;         // trackers, web seeds, peers each; more are passed over and counted
  std::size_t name_bytes_max = 1024;  // of the display name; cut there, at a character
};

struct Magnet {
  InfoHashes hashes;
  std::string name;                             // dn, decoded; bytes of a stranger, not necessarily UTF-8
  std::vector<std::string> trackers;            // tr, decoded, each once
  std::vector<std::string> web_seeds;           // ws
  std::vector<std::string> acceptable_sources;  // as
  std::vector<std::string> exact_sources;       // xs
  std::vector<std::string> peers;               // x.pe: host:port as written, each once
  std::string select_only;                      // so, raw (BEP 53)
  std::size_t passed_over = 0;                  // xt that were no good, list entries beyond list_max
  std::string canonical;                        // magnet:?xt=urn:btih:<hex>[&xt=urn:btmh:1220<hex>]
};

Result<Magnet> parse_magnet(std::string_view text, MagnetLimits const& limits);

/// A bare info-hash: 40 hex or 32 base32 characters (v1), 64 hex or 1220 and 64 hex (v2).
Result<Magnet> parse_info_hash(std::string_view text);

std::string canonical_magnet(InfoHashes const& hashes);

}  // namespace impound::fetchers
