// What a .torrent file, or an info dict got from peers, says: read once, bounded, before libtorrent sees a byte.
//
// v1 (BEP 3), v2 (BEP 52) and hybrids of both. The info-hashes are computed over the info dict's own bytes as they
// stand in the file, never over a re-encoding. Names are raw bytes: they may be any bytes at all, and are no paths to
// open. What a symbolic link points to may be anything, too, and nobody follows it. Refused with a named reason:
// damaged bencode, names that climb ("..", ".", a '/' or NUL inside), sizes that do not add up to the pieces, v1 and v2
// parts that describe different files, anything beyond the limits. Bytes behind the outermost dict (a newline) are
// allowed, as every client allows them.
//
// Any thread; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/values/digest.h"
#include "evidence/values/info_hash.h"
#include "evidence/values/result.h"

namespace impound::fetchers {

struct MetainfoLimits {
  std::uint64_t bytes_max = 10u << 20;      // a whole .torrent
  std::uint64_t info_bytes_max = 8u << 20;  // its info dict; the same bound holds for metadata from peers
  std::size_t files_max = 100'000;          // pad files not counted
  std::size_t depth_max = 100;              // of bencode, and so of a v2 file tree
  std::size_t path_bytes_max = 4'096;       // of one file, components and the '/' between them
  std::size_t path_depth_max = 100;         // components of one file
  std::uint64_t total_bytes_max = (std::uint64_t{1} << 48) - 1;  // libtorrent's own bound; no higher: it would overflow
  std::uint64_t pieces_max = 0x200000;                           // libtorrent's own bound
  std::uint64_t piece_length_max = 64u << 20;
  std::size_t tokens_max = 2'000'000;  // strings, integers, lists and dicts: 32 MiB of outline
  std::size_t urls_max = 1'000;        // trackers, and web seeds: the rest is left out
};

struct TorrentFile {
  std::string path_bytes;               // components joined by '/', with the torrent's name in front if it has a folder
  std::vector<std::string> components;  // the same, one by one
  std::uint64_t size = 0;
  bool pad = false;                     // BEP 47 attribute p, or BitComet's name for it
  bool symlink = false;                 // BEP 47 attribute l; it has no bytes
  std::optional<Sha256> pieces_root{};  // BEP 52; absent in v1 alone and for an empty file
  bool pad_by_name = false;             // by that name alone: it may hide something, and libtorrent does not take it
  std::string target_bytes{};           // of a link, as it stands there, parts joined by '/': for the record alone

  bool payload() const { return !pad && !symlink; }
};

struct Metainfo {
  InfoHashes hashes;  // those the torrent's version has
  Sha1 sha1;          // of the info dict, always
  Sha256 sha256;
  std::string info;  // the info dict as it stands in the file
  std::string name;  // raw bytes
  bool is_private = false;
  std::uint64_t piece_length = 0;
  std::uint64_t pieces = 0;
  std::uint64_t total_bytes = 0;        // pad files not counted
  std::vector<TorrentFile> files;       // in the torrent's order, pad files included where the torrent lists them
  std::vector<std::string> trackers;    // announce, then announce-list, each once
  std::vector<std::string> web_seeds;   // url-list (BEP 19): URLs, or what some archive wrote for one
  std::vector<std::string> http_seeds;  // httpseeds (BEP 17)
  std::string comment;
  std::string created_by;
};

Result<Metainfo> read_torrent(std::string_view bytes, MetainfoLimits const& limits);

/// SHA-1 of each piece (BEP 3), 20 bytes each, out of the info dict. Code::malformed where they are not as many as its
/// pieces, as in a torrent that is v2 alone.
Result<std::string> piece_hashes(Metainfo const& torrent);

/// From the info dict alone; trackers, web seeds, comment and created_by stay empty.
Result<Metainfo> read_info_dict(std::string_view info, MetainfoLimits const& limits);

}  // namespace impound::fetchers
