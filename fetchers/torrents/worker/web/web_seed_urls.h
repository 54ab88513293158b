// Where a web seed has a file, as archives really write it.
//
// BEP 19: a URL that ends in '/' is a folder, in which the torrent's name stands; one that does not is the file itself
// when the torrent is a single file. Names are raw bytes and are percent-encoded byte by byte (RFC 3986 §2.1). Found in
// .torrent files of Archive.org and others: entries that are only a path ("/1/items/", whose host has gone missing:
// they are read against the hosts of the other entries), blanks and other characters that no URL has. BEP 17: a script,
// asked for one piece. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/url.h"

namespace impound::fetchers {

/// Each once, whole URLs alone, at most `most`: parts of one are put behind each host that another entry names.
std::vector<WebSeed> readable_web_seeds(std::vector<WebSeed> const& named, std::size_t most);

/// Of BEP 19. Code::malformed or Code::refused for what Url does not take.
Result<Url> file_url(std::string const& seed, Metainfo const& torrent, std::size_t file);

/// Of BEP 17, the piece's bytes from its first to `size`. Code::malformed also for a torrent without a v1 info-hash.
Result<Url> piece_url(std::string const& seed, Metainfo const& torrent, std::size_t piece, std::uint64_t size);

/// A file that archives put in to fill up a piece, and do not serve (BEP 47 before it had an attribute).
bool named_like_padding(TorrentFile const& file);

}  // namespace impound::fetchers
