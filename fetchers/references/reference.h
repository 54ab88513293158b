// What a text names that impound could fetch: one reference, where it stands, and by which rule it was found.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "evidence/formats/canonical_json.h"
#include "evidence/values/info_hash.h"

namespace impound::fetchers {

enum class ReferenceKind { magnet, info_hash, torrent_url, archive_item };  // the words of --json
enum class Confidence { high, medium, low };

struct Reference {
  ReferenceKind kind = ReferenceKind::magnet;
  std::string canonical;  // one spelling for one thing: the magnet of the hashes, the plain URL, the item's page
  InfoHashes hashes;      // magnet, info_hash
  /// torrent_url, archive_item: absolute. "" when the link is relative or holds a password: canonical then has it as
  /// written, to be resolved (or refused) by whoever knows the page's own URL.
  std::string url;
  std::string text;        // the bytes of the input, as they stand there
  std::size_t offset = 0;  // in bytes of the input
  std::size_t length = 0;  // text.size()
  std::string rule;        // which rule found it
  Confidence confidence = Confidence::high;
};

char const* word(ReferenceKind kind);
char const* word(Confidence confidence);

/// The line that `extract --json` prints. A text or file name that is no UTF-8 stands as text_hex or file_hex instead.
Json to_json(Reference const& reference, std::string_view file);

/// The .torrent that archive.org keeps for an item: https://archive.org/download/ID/ID_archive.torrent.
std::string archive_torrent_url(std::string_view item);

}  // namespace impound::fetchers
