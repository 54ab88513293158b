// The swarm record: who delivered what of one acquisition, and whom its worker asked. A sequence of CBOR maps (RFC
// 8742), media type application/vnd.impound.swarm-record+cbor-seq, with "t" for the kind:
//
//     head {v, engine, info_hash_v1, info_hash_v2, begun}        first, and again for each worker that takes the job up
//     peer {n, address, port, sources, tries, first, connected, id, client, left, why, blocks, bytes}
//     tracker {time, url, peers | error | warning}
//     scrape {time, url, complete, incomplete, downloaded | error}
//     dht {time, peers}                                          a search, and how many it found
//     certificate {der}                                          once, before the first exchange that names it
//     exchange {web_seed, url, first, last, started, ended, …}   one request to a web seed
//     failed_piece {time, piece, from: [address, port, blocks, …]}
//     web_seed {id, url}                                         the first 16 bytes of the URL's SHA-256
//     table {piece_length, pieces, blocks, bytes, senders, …}    at the end, with
//     senders {first, rows: [address, port, blocks, bytes, …]}   and
//     blocks {first, runs: [sender, count, …]}
//     left_out {peers, trackers, …}                              last: what found no room, mostly nothing
//
// Times are microseconds of UTC, addresses 4 or 16 bytes; what strangers said is bytes, bounded. A `peer` that comes
// again with the same n under one head replaces the one before: the first tells that it is there, the last what it
// delivered. One without `connected` was never reached. In senders a port of 0 marks a web seed: its address is its
// `id`.
//
// The blocks are those of 16 KiB, piece after piece, the last of a piece shorter; a number of 0 means that nothing is
// known to be there, 1 that it is there and nobody knows from whom (an earlier worker's, or padding), 2 the first of
// `senders`. A job that is tried again has one table, of all of it: the one before is taken away.
//
// Read with the bounds of a worker's frames (evidence/system/frames): nothing here is trusted, and no reader of it may
// take more than is written below. Any thread; values only.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "evidence/formats/canonical_json.h"
#include "evidence/system/frames.h"
#include "evidence/values/digest.h"
#include "evidence/values/info_hash.h"
#include "evidence/values/result.h"

namespace impound::fetchers {

inline constexpr std::string_view record_media_type = "application/vnd.impound.swarm-record+cbor-seq";
inline constexpr std::string_view record_file_name = "record";  // in the job's folder
constexpr std::uint64_t record_version = 1;
constexpr std::size_t record_bytes_max = 64u << 20;
constexpr std::size_t record_text_bytes_max = 2'048;  // of one text or URL
constexpr std::size_t record_certificate_bytes_max = 64u << 10;
constexpr std::size_t record_certificates_max = 16;    // that one exchange names
constexpr std::size_t record_row_senders_max = 2'000;  // of one item
constexpr std::size_t record_runs_max = 8'000;         // of one item

/// A peer's address (IPv4 mapped into IPv6) and port, or a web seed's id and 0.
struct RecordAddress {
  std::array<std::byte, 16> bytes{};
  std::uint16_t port = 0;
  auto operator<=>(RecordAddress const&) const = default;
};
/// What a web seed is called where a peer would have an address.
RecordAddress web_seed_address(std::string_view url);

struct RecordHead {
  std::string engine;
  InfoHashes hashes;
  std::uint64_t begun_us = 0;
};
struct RecordPeer {
  std::uint64_t number = 0;
  RecordAddress at;
  std::vector<std::string> sources;  // operator magnet tracker dht pex lsd
  std::uint64_t tries = 1;           // dials that are told here, if it was not reached
  std::uint64_t first_us = 0;
  std::optional<std::uint64_t> connected_us{};
  std::string id{};      // 20 bytes, "" before the handshake
  std::string client{};  // as it calls itself
  std::optional<std::uint64_t> left_us{};
  std::string why{};
  std::uint64_t blocks = 0;  // that came, whatever became of them
  std::uint64_t bytes = 0;
};
struct RecordTracker {
  std::uint64_t time_us = 0;
  std::string url;
  std::optional<std::uint64_t> peers{};
  std::string error{};
  std::string warning{};
};
struct RecordScrape {
  std::uint64_t time_us = 0;
  std::string url;
  std::optional<std::uint64_t> complete{}, incomplete{}, downloaded{};
  std::string error{};
};
struct RecordDht {
  std::uint64_t time_us = 0;
  std::uint64_t peers = 0;
};
struct RecordCertificate {
  std::string der;
};
struct RecordExchange {
  std::string web_seed;
  std::string url;
  std::optional<std::uint64_t> file{};
  std::uint64_t first = 0, last = 0;
  std::uint64_t started_us = 0, ended_us = 0;
  std::uint64_t status = 0;
  std::uint64_t bytes = 0;
  std::optional<Sha256> head_sha256{};
  std::string address{};
  std::uint16_t port = 0;
  std::string tls_protocol{};
  std::vector<Sha256> certificates{};
  std::string outcome{};
};
struct RecordFailedPiece {
  struct Run {
    std::optional<RecordAddress> from;  // none: nobody knows
    std::uint64_t blocks = 0;
  };
  std::uint64_t time_us = 0;
  std::uint64_t piece = 0;
  std::vector<Run> from;
};
struct RecordWebSeed {
  std::string url;
};
struct RecordTable {
  std::uint64_t piece_length = 0, pieces = 0;
  std::uint64_t blocks = 0, bytes = 0;
  std::uint64_t senders = 0;
  std::uint64_t unknown_blocks = 0, unknown_bytes = 0;
  std::uint64_t absent_blocks = 0, absent_bytes = 0;
};
struct RecordSenders {
  struct Row {
    RecordAddress at;
    std::uint64_t blocks = 0, bytes = 0;
  };
  std::uint64_t first = 0;  // its number
  std::vector<Row> rows;
};
constexpr std::uint64_t record_absent = 0;
constexpr std::uint64_t record_unknown = 1;
constexpr std::uint64_t record_first_sender = 2;
struct RecordBlocks {
  std::uint64_t first = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;  // sender, blocks
};
/// peers: connections and dials; searches: in the DHT.
struct RecordLeftOut {
  std::uint64_t peers = 0, trackers = 0, searches = 0, exchanges = 0, certificates = 0, failed_pieces = 0, senders = 0,
                blocks = 0;
  std::uint64_t sum() const {
    return peers + trackers + searches + exchanges + certificates + failed_pieces + senders + blocks;
  }
};
using RecordItem =
    std::variant<RecordHead, RecordPeer, RecordTracker, RecordScrape, RecordDht, RecordCertificate, RecordExchange,
                 RecordFailedPiece, RecordWebSeed, RecordTable, RecordSenders, RecordBlocks, RecordLeftOut>;

/// Texts beyond record_text_bytes_max are cut; Code::refused where the item would not be read again.
Result<std::string> record_bytes(RecordItem const& item);
Result<RecordItem> record_item_from(Frame const& frame);

/// Takes a record's items from its front. Stops for ever at the first that is none.
class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : bytes_(bytes) {}
  /// Nothing at the end.
  Result<std::optional<RecordItem>> next();
  /// Behind the last item that was read: what is torn begins here.
  std::size_t position() const { return at_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Every item is one, the first a head, all heads of this torrent, and no run names a sender that is not there.
Result<void> check_record(std::string_view bytes, InfoHashes const& torrent);

/// An item for people and scripts: times as UTC, addresses as text, other bytes as text with \xNN or as hex.
Json record_json(RecordItem const& item);
/// "192.0.2.1:6881", "[2001:db8::1]:6881", or "web seed <hex>".
std::string record_address_text(RecordAddress const& at);

}  // namespace impound::fetchers
