// Finds references in bytes that anyone may have written: text, HTML, Markdown, JSON. Time and memory are linear in the
// input, nothing throws, the offsets are bytes of the input as given. Pure function, any thread.
//
// Rules, by `Reference::rule`:
//   magnet                 high    a magnet link that parse_magnet accepts
//   magnet_escaped         medium  one that is percent-encoded as a whole, as in a share link
//   info_hash_labelled     low     40 or 64 hex digits behind btih, btmh or "info hash" on the same line,
//                                  or 32 base32 characters right behind "btih:"
//   torrent_url            high    an http(s) URL whose path ends in .torrent
//   torrent_query          low     … whose query does
//   torrent_url_user       low     … with a user name or password in it: told, not fetched as it stands
//   relative_torrent_link  medium  href, src or a Markdown link to a relative path that ends in .torrent
//   archive_torrent        high    archive.org/download/ID/….torrent
//   archive_item           high    archive.org/details, /download or /stream and an item's name
//
// A wiki's page about a torrent (…/File:X.torrent) is a page, not a torrent, and no reference. A hash that a table
// border or line end breaks is not put together and never told shortened.
// Encodings other than ASCII's kin, and what markup hides, are the reader's business (fetchers/reading).
// Gap: defanged forms (hxxp, [.], [:]), and links without a scheme.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "fetchers/references/magnet.h"
#include "fetchers/references/reference.h"

namespace impound::fetchers {

struct ScanLimits {
  std::size_t references_max = 10'000;  // the first so many of the input, by offset
  std::size_t url_bytes_max = 2048;     // a longer URL is passed over
  MagnetLimits magnet = {};
};

/// In order of offset; the same reference at two places is told twice.
std::vector<Reference> scan(std::string_view text, ScanLimits const& limits);

}  // namespace impound::fetchers
