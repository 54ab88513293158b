#include "fetchers/torrents/worker/torrent_job.h"

#include <algorithm>
#include <libtorrent/torrent_info.hpp>
#include <utility>

#include "fetchers/torrents/bencode.h"
#include "fetchers/torrents/printable.h"

namespace impound::fetchers {

std::optional<std::vector<WantedFile>> wanted_files(lt::file_storage const& engine, Metainfo const& torrent) {
  std::vector<WantedFile> wanted;
  std::size_t ours = 0;
  auto const& files = torrent.files;
  for (auto const index : engine.file_range()) {
    bool const our_pad = ours < files.size() && files[ours].pad;
    // A v2 torrent lists no pad files; libtorrent makes them up.
    if (engine.pad_file_at(index) && !our_pad) continue;
    if (ours == files.size() || engine.file_size(index) != static_cast<std::int64_t>(files[ours].size))
      return std::nullopt;
    if (files[ours].payload()) wanted.push_back({index, ours, false});
    ++ours;
  }
  if (ours != files.size()) return std::nullopt;
  return wanted;
}

std::optional<std::string> beyond_limits(Metainfo const& torrent, SwarmLimits const& limits) {
  if (limits.payload_bytes_max && torrent.total_bytes > *limits.payload_bytes_max) {
    return "its " + std::to_string(torrent.total_bytes) + " bytes are more than the limit of " +
           std::to_string(*limits.payload_bytes_max);
  }
  return std::nullopt;
}

std::string without_addresses(std::string_view torrent, Metainfo const& read) {
  std::string bytes = "d4:info" + read.info;
  MetainfoLimits const limits;
  auto const outline = BencodeOutline::read(torrent, limits.depth_max, limits.tokens_max, true);
  if (outline) {
    if (auto const layers = outline.value().root().find("piece layers"); layers && read.hashes.v2) {
      bytes += "12:piece layers";
      bytes += layers->raw();
    }
  }
  bytes += 'e';
  return bytes;
}

bool has_all_hashes(lt::add_torrent_params const& params) {
  if (!params.ti || !params.ti->v2()) return false;
  auto const& files = params.ti->files();
  for (auto const file : files.file_range()) {
    // A file of one piece has no layer: its root is that piece's hash.
    if (files.pad_file_at(file) || files.file_size(file) <= files.piece_length()) continue;
    if (file >= params.merkle_trees.end_index() || params.merkle_trees[file].empty()) return false;
  }
  return true;
}

MetainfoLimits metainfo_limits(SwarmLimits const& limits) {
  MetainfoLimits own;
  own.bytes_max = limits.torrent_bytes_max;
  own.info_bytes_max = limits.metadata_bytes_max;
  own.files_max = limits.files_max;
  return own;
}

bool is_what_was_asked(Metainfo const& torrent, InfoHashes const& asked) {
  if (asked.v1 && torrent.sha1.bytes != asked.v1->bytes) return false;
  if (asked.v2 && torrent.sha256.bytes != asked.v2->bytes) return false;
  return true;
}

bool only_cut_sha256(Metainfo const& torrent, InfoHashes const& asked) {
  return asked.v1 && torrent.sha1.bytes != asked.v1->bytes &&
         std::equal(asked.v1->bytes.begin(), asked.v1->bytes.end(), torrent.sha256.bytes.begin());
}

Failed failed(TorrentJob const& job, char const* reason, std::string detail) {
  return Failed{job.asked.id, reason, printable(std::move(detail), 500), 0, 0};
}

std::uint64_t bad_pieces(TorrentJob const& job) {
  if (!job.torrent || job.torrent->piece_length == 0) return 0;
  std::uint64_t const came = job.downloaded.total() - job.downloaded_when_good;
  return std::min<std::uint64_t>(job.hash_failures, (came + job.torrent->piece_length - 1) / job.torrent->piece_length);
}

void count_payload(TorrentJob& job, lt::torrent_status const& status) {
  job.downloaded.see(status.total_payload_download);
  job.uploaded.see(status.total_payload_upload);
}

}  // namespace impound::fetchers
