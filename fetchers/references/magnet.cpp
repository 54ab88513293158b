#include "fetchers/references/magnet.h"

#include <algorithm>

#include "evidence/formats/base32.h"
#include "evidence/formats/hex.h"
#include "fetchers/references/text_kinds.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t shown_bytes_max = 120;

Error bad(Code code, std::string what, std::string_view text, std::string hint = {}) {
  std::string where;
  for (char const c : text.substr(0, shown_bytes_max)) where += (c >= ' ' && c <= '~') ? c : '?';
  if (text.size() > shown_bytes_max) where += "...";
  return Error{code, std::move(what), std::move(where), std::move(hint)};
}

std::optional<InfoHashV1> v1_from(std::string_view text) {
  if (auto const found = digest_from_hex<InfoHashV1>(text)) return found;
  // No base32 hash is spelled by hex digits alone (one in 10^13): this is the start of a hex hash that something cut.
  if (std::all_of(text.begin(), text.end(), is_hex)) return std::nullopt;
  return digest_from_base32<InfoHashV1>(text);
}

/// A multihash: 0x12 SHA-256, 0x20 bytes of it (BEP 52).
std::optional<InfoHashV2> v2_from_multihash(std::string_view text) {
  return text.starts_with("1220") ? digest_from_hex<InfoHashV2>(text.substr(4)) : std::nullopt;
}

/// Takes one xt in; false when it contradicts one before it.
bool take_exact_topic(std::string_view value, Magnet& magnet) {
  if (starts_with_ci(value, "urn:btih:")) {
    auto const hash = v1_from(value.substr(9));
    if (hash && magnet.hashes.v1 && *magnet.hashes.v1 != *hash) return false;
    if (hash)
      magnet.hashes.v1 = hash;
    else
      ++magnet.passed_over;
  } else if (starts_with_ci(value, "urn:btmh:")) {
    auto const hash = v2_from_multihash(value.substr(9));
    if (hash && magnet.hashes.v2 && *magnet.hashes.v2 != *hash) return false;
    if (hash)
      magnet.hashes.v2 = hash;
    else
      ++magnet.passed_over;
  }  // another network's name (ed2k, tiger tree, …) says nothing about the torrent
  return true;
}

void take_into(std::vector<std::string>& list, std::string value, std::size_t list_max, Magnet& magnet) {
  if (value.empty() || std::find(list.begin(), list.end(), value) != list.end()) return;
  if (list.size() >= list_max) {
    ++magnet.passed_over;
    return;
  }
  list.push_back(std::move(value));
}

std::string cut_at_character(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && bytes_max - end < 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

/// "tr.1" is "tr": some writers number what they repeat.
std::string_view plain_key(std::string_view key) {
  auto const dot = key.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == key.size()) return key;
  return std::all_of(key.begin() + static_cast<std::ptrdiff_t>(dot) + 1, key.end(), is_digit) ? key.substr(0, dot)
                                                                                              : key;
}

bool take_parameter(std::string_view parameter, MagnetLimits const& limits, Magnet& magnet) {
  auto const equals = parameter.find('=');
  if (equals == std::string_view::npos) return true;
  std::string key(plain_key(parameter.substr(0, equals)));
  std::transform(key.begin(), key.end(), key.begin(), lower);
  auto const value = parameter.substr(equals + 1);
  auto const into = [&](std::vector<std::string>& list) {
    take_into(list, percent_decoded(value, false), limits.list_max, magnet);
  };
  if (key == "xt") return take_exact_topic(percent_decoded(value, false), magnet);
  if (key == "dn" && magnet.name.empty())
    magnet.name = cut_at_character(percent_decoded(value, true), limits.name_bytes_max);
  if (key == "tr") into(magnet.trackers);
  if (key == "ws") into(magnet.web_seeds);
  if (key == "as") into(magnet.acceptable_sources);
  if (key == "xs") into(magnet.exact_sources);
  if (key == "x.pe") into(magnet.peers);
  if (key == "so" && magnet.select_only.empty()) magnet.select_only = percent_decoded(value, false);
  return true;
}

/// What follows "magnet:?", also where a browser wrote "magnet://?" or "magnet:///?".
std::optional<std::string_view> parameters_of(std::string_view text) {
  if (!starts_with_ci(text, "magnet:")) return std::nullopt;
  text.remove_prefix(7);
  for (int slashes = 0; slashes < 3 && text.starts_with('/'); ++slashes) text.remove_prefix(1);
  if (!text.starts_with('?')) return std::nullopt;
  return text.substr(1);
}

}  // namespace

std::string canonical_magnet(InfoHashes const& hashes) {
  std::string text = "magnet:?";
  if (hashes.v1) text += "xt=urn:btih:" + hex(*hashes.v1);
  if (hashes.v2) text += (hashes.v1 ? "&xt=urn:btmh:1220" : "xt=urn:btmh:1220") + hex(*hashes.v2);
  return text;
}

Result<Magnet> parse_magnet(std::string_view text, MagnetLimits const& limits) {
  if (text.size() > limits.bytes_max) return bad(Code::refused, "a magnet link is too long", text);
  auto const parameters = parameters_of(text);
  if (!parameters) return bad(Code::malformed, "no magnet link", text, "it begins with magnet:?");
  Magnet magnet;
  std::string_view rest = *parameters;
  std::size_t count = 0;
  while (!rest.empty()) {
    std::size_t end = 0, separator = 0;
    while (end < rest.size() && (separator = ampersand(rest.substr(end))) == 0) ++end;
    if (++count > limits.parameters_max) return bad(Code::refused, "a magnet link has too many parameters", text);
    if (!take_parameter(rest.substr(0, end), limits, magnet))
      return bad(Code::refused, "a magnet link names two different torrents", text, "give one of them");
    rest.remove_prefix(end + separator);
  }
  if (!magnet.hashes.v1 && !magnet.hashes.v2) {
    if (magnet.passed_over > 0)
      return bad(Code::malformed, "a magnet link whose info-hash is none", text,
                 "btih has 40 hex or 32 base32 characters, btmh 1220 and 64 hex");
    return bad(Code::malformed, "a magnet link without an info-hash", text, "it needs xt=urn:btih:… or xt=urn:btmh:…");
  }
  magnet.canonical = canonical_magnet(magnet.hashes);
  return magnet;
}

Result<Magnet> parse_info_hash(std::string_view text) {
  Magnet magnet;
  magnet.hashes.v1 = v1_from(text);
  if (!magnet.hashes.v1) {
    magnet.hashes.v2 = v2_from_multihash(text);
    if (!magnet.hashes.v2) magnet.hashes.v2 = digest_from_hex<InfoHashV2>(text);
  }
  if (!magnet.hashes.v1 && !magnet.hashes.v2)
    return bad(Code::malformed, "no info-hash", text, "it has 40 hex or 32 base32 characters (v1), or 64 hex (v2)");
  magnet.canonical = canonical_magnet(magnet.hashes);
  return magnet;
}

}  // namespace impound::fetchers
