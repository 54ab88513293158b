#include "fetchers/torrents/swarm_record.h"

#include <algorithm>
#include <limits>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/record_fields.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t sources_max = 8;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // clang 16 does not deduce it for aggregates

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 16 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

Frame cut(std::string_view bytes) { return bytes_value(bytes.substr(0, record_text_bytes_max)); }

Frame address_value(RecordAddress const& at) {
  std::string_view const all{reinterpret_cast<char const*>(at.bytes.data()), at.bytes.size()};
  return bytes_value(at.port != 0 && is_mapped(at.bytes) ? all.substr(12) : all);
}

template <class DigestType>
Frame digest_value(DigestType const& digest) {
  return bytes_value({reinterpret_cast<char const*>(digest.bytes.data()), digest.bytes.size()});
}

void put(Frame& frame, char const* key, std::optional<std::uint64_t> const& number) {
  if (number) frame[key] = *number;
}
void put(Frame& frame, char const* key, std::string const& bytes) {
  if (!bytes.empty()) frame[key] = cut(bytes);
}

Frame frame_of(RecordHead const& head) {
  Frame frame{{"t", "head"}, {"v", record_version}, {"engine", cut(head.engine)}, {"begun", head.begun_us}};
  if (head.hashes.v1) frame["info_hash_v1"] = digest_value(*head.hashes.v1);
  if (head.hashes.v2) frame["info_hash_v2"] = digest_value(*head.hashes.v2);
  return frame;
}

Frame frame_of(RecordPeer const& peer) {
  Frame frame{{"t", "peer"},
              {"n", peer.number},
              {"address", address_value(peer.at)},
              {"port", peer.at.port},
              {"sources", Frame::array()},
              {"tries", peer.tries},
              {"first", peer.first_us},
              {"blocks", peer.blocks},
              {"bytes", peer.bytes}};
  for (auto const& source : peer.sources) frame["sources"].push_back(source);
  put(frame, "connected", peer.connected_us);
  put(frame, "left", peer.left_us);
  put(frame, "id", peer.id);
  put(frame, "client", peer.client);
  put(frame, "why", peer.why);
  return frame;
}

Frame frame_of(RecordTracker const& tracker) {
  Frame frame{{"t", "tracker"}, {"time", tracker.time_us}, {"url", cut(tracker.url)}};
  put(frame, "peers", tracker.peers);
  put(frame, "error", tracker.error);
  put(frame, "warning", tracker.warning);
  return frame;
}

Frame frame_of(RecordScrape const& scrape) {
  Frame frame{{"t", "scrape"}, {"time", scrape.time_us}, {"url", cut(scrape.url)}};
  put(frame, "complete", scrape.complete);
  put(frame, "incomplete", scrape.incomplete);
  put(frame, "downloaded", scrape.downloaded);
  put(frame, "error", scrape.error);
  return frame;
}

Frame frame_of(RecordExchange const& one) {
  Frame frame{{"t", "exchange"},    {"web_seed", cut(one.web_seed)}, {"url", cut(one.url)},   {"first", one.first},
              {"last", one.last},   {"started", one.started_us},     {"ended", one.ended_us}, {"status", one.status},
              {"bytes", one.bytes}, {"certificates", Frame::array()}};
  put(frame, "file", one.file);
  if (one.head_sha256) frame["head_sha256"] = digest_value(*one.head_sha256);
  put(frame, "host", one.address);
  if (one.port != 0) frame["port"] = one.port;
  put(frame, "tls", one.tls_protocol);
  put(frame, "outcome", one.outcome);
  for (auto const& digest : one.certificates) frame["certificates"].push_back(digest_value(digest));
  return frame;
}

Frame frame_of(RecordFailedPiece const& failed) {
  Frame frame{{"t", "failed_piece"}, {"time", failed.time_us}, {"piece", failed.piece}, {"from", Frame::array()}};
  for (auto const& run : failed.from) {
    frame["from"].push_back(run.from ? address_value(*run.from) : bytes_value({}));
    frame["from"].push_back(run.from ? run.from->port : 0);
    frame["from"].push_back(run.blocks);
  }
  return frame;
}

Frame frame_of(RecordSenders const& senders) {
  Frame frame{{"t", "senders"}, {"first", senders.first}, {"rows", Frame::array()}};
  for (auto const& row : senders.rows) {
    frame["rows"].push_back(address_value(row.at));
    frame["rows"].push_back(row.at.port);
    frame["rows"].push_back(row.blocks);
    frame["rows"].push_back(row.bytes);
  }
  return frame;
}

Frame frame_of(RecordBlocks const& blocks) {
  Frame frame{{"t", "blocks"}, {"first", blocks.first}, {"runs", Frame::array()}};
  for (auto const& [sender, count] : blocks.runs) {
    frame["runs"].push_back(sender);
    frame["runs"].push_back(count);
  }
  return frame;
}

Frame frame_of(RecordTable const& table) {
  return {{"t", "table"},
          {"piece_length", table.piece_length},
          {"pieces", table.pieces},
          {"blocks", table.blocks},
          {"bytes", table.bytes},
          {"senders", table.senders},
          {"unknown_blocks", table.unknown_blocks},
          {"unknown_bytes", table.unknown_bytes},
          {"absent_blocks", table.absent_blocks},
          {"absent_bytes", table.absent_bytes}};
}

Frame frame_of(RecordLeftOut const& left) {
  return {{"t", "left_out"},
          {"peers", left.peers},
          {"trackers", left.trackers},
          {"searches", left.searches},
          {"exchanges", left.exchanges},
          {"certificates", left.certificates},
          {"failed_pieces", left.failed_pieces},
          {"senders", left.senders},
          {"blocks", left.blocks}};
}

Frame frame_of(RecordDht const& dht) { return {{"t", "dht"}, {"time", dht.time_us}, {"peers", dht.peers}}; }
Frame frame_of(RecordCertificate const& one) { return {{"t", "certificate"}, {"der", bytes_value(one.der)}}; }
Frame frame_of(RecordWebSeed const& seed) {
  RecordAddress const id = web_seed_address(seed.url);
  return {{"t", "web_seed"}, {"id", address_value(id)}, {"url", cut(seed.url)}};
}

RecordItem head_from(RecordFields& from) {
  RecordHead head;
  from.is(from.number("v") == record_version, "a version of another build");
  head.engine = from.bytes("engine");
  head.begun_us = from.number("begun");
  head.hashes = {from.digest<InfoHashV1>("info_hash_v1"), from.digest<InfoHashV2>("info_hash_v2")};
  from.is(head.hashes.v1 || head.hashes.v2, "a head of no torrent");
  return head;
}

RecordItem peer_from(RecordFields& from) {
  RecordPeer peer;
  peer.number = from.number("n");
  peer.at.port = from.port("port");
  peer.at.bytes = from.address("address");
  peer.tries = from.number("tries");
  peer.first_us = from.number("first");
  peer.blocks = from.number("blocks");
  peer.bytes = from.number("bytes");
  peer.connected_us = from.number_if("connected");
  peer.left_us = from.number_if("left");
  peer.id = from.bytes_if("id");
  peer.client = from.bytes_if("client");
  peer.why = from.bytes_if("why");
  from.is(peer.at.port != 0 && (peer.id.empty() || peer.id.size() == 20), "a peer that is none");
  for (Frame const& source : from.list("sources", sources_max)) {
    from.is(source.is_string() && is_word(source.get_ref<std::string const&>()), "a source");
    if (from.good()) peer.sources.push_back(source.get<std::string>());
  }
  return peer;
}

RecordItem tracker_from(RecordFields& from) {
  return RecordTracker{from.number("time"), from.bytes("url"), from.number_if("peers"), from.bytes_if("error"),
                       from.bytes_if("warning")};
}

RecordItem scrape_from(RecordFields& from) {
  RecordScrape scrape{from.number("time"), from.bytes("url")};
  scrape.complete = from.number_if("complete");
  scrape.incomplete = from.number_if("incomplete");
  scrape.downloaded = from.number_if("downloaded");
  scrape.error = from.bytes_if("error");
  return scrape;
}

RecordItem exchange_from(RecordFields& from) {
  RecordExchange one{from.bytes("web_seed"), from.bytes("url"), from.number_if("file")};
  one.first = from.number("first");
  one.last = from.number("last");
  one.started_us = from.number("started");
  one.ended_us = from.number("ended");
  one.status = from.number("status");
  one.bytes = from.number("bytes");
  one.head_sha256 = from.digest<Sha256>("head_sha256");
  one.address = from.bytes_if("host");
  one.port = from.port_if("port");
  one.tls_protocol = from.bytes_if("tls");
  one.outcome = from.bytes_if("outcome");
  for (Frame const& digest : from.list("certificates", record_certificates_max))
    one.certificates.push_back(from.digest_of<Sha256>(digest));
  return one;
}

RecordItem failed_piece_from(RecordFields& from) {
  RecordFailedPiece failed{from.number("time"), from.number("piece"), {}};
  Frame const& list = from.list("from", 3 * record_runs_max / 2);
  from.is(list.size() % 3 == 0, "senders that are cut off");
  for (std::size_t i = 0; from.good() && i < list.size(); i += 3) {
    RecordFailedPiece::Run run{std::nullopt, from.number_of(list[i + 2])};
    bool const nobody = list[i].is_binary() && list[i].get_binary().empty();
    std::uint16_t const port = from.port_of(list[i + 1]);
    if (!nobody) run.from = RecordAddress{from.address_of(list[i]), port};
    failed.from.push_back(run);
  }
  return failed;
}

RecordItem senders_from(RecordFields& from) {
  RecordSenders senders{from.number("first"), {}};
  Frame const& list = from.list("rows", 4 * record_row_senders_max);
  from.is(list.size() % 4 == 0, "senders that are cut off");
  for (std::size_t i = 0; from.good() && i < list.size(); i += 4) {
    RecordAddress const at{from.address_of(list[i]), from.port_of(list[i + 1])};
    senders.rows.push_back({at, from.number_of(list[i + 2]), from.number_of(list[i + 3])});
  }
  return senders;
}

RecordItem blocks_from(RecordFields& from) {
  RecordBlocks blocks{from.number("first"), {}};
  Frame const& list = from.list("runs", 2 * record_runs_max);
  from.is(list.size() % 2 == 0, "runs that are cut off");
  for (std::size_t i = 0; from.good() && i < list.size(); i += 2)
    blocks.runs.emplace_back(from.number_of(list[i]), from.number_of(list[i + 1]));
  return blocks;
}

RecordItem table_from(RecordFields& from) {
  RecordTable table;
  table.piece_length = from.number("piece_length");
  table.pieces = from.number("pieces");
  table.blocks = from.number("blocks");
  table.bytes = from.number("bytes");
  table.senders = from.number("senders");
  table.unknown_blocks = from.number("unknown_blocks");
  table.unknown_bytes = from.number("unknown_bytes");
  table.absent_blocks = from.number("absent_blocks");
  table.absent_bytes = from.number("absent_bytes");
  return table;
}

RecordItem left_out_from(RecordFields& from) {
  RecordLeftOut left;
  left.peers = from.number("peers");
  left.trackers = from.number("trackers");
  left.searches = from.number("searches");
  left.exchanges = from.number("exchanges");
  left.certificates = from.number("certificates");
  left.failed_pieces = from.number("failed_pieces");
  left.senders = from.number("senders");
  left.blocks = from.number("blocks");
  return left;
}

RecordItem web_seed_from(RecordFields& from) {
  RecordWebSeed seed{from.bytes("url")};
  // Of a URL that was cut the id is of the whole.
  bool const whole = seed.url.size() < record_text_bytes_max;
  auto const id = from.address("id");
  from.is(!whole || id == web_seed_address(seed.url).bytes, "a web seed by another's id");
  return seed;
}

}  // namespace

RecordAddress web_seed_address(std::string_view url) {
  RecordAddress at;
  std::copy_n(sha256(bytes_of(url)).bytes.begin(), at.bytes.size(), at.bytes.begin());
  return at;
}

Frame record_frame(RecordItem const& item) {
  return std::visit([](auto const& one) { return frame_of(one); }, item);
}

Result<std::string> record_bytes(RecordItem const& item) {
  IMPOUND_TRY(framed, encode_frame(record_frame(item)));
  return framed.substr(4);  // a frame's length has no place in a sequence
}

Result<RecordItem> record_item_from(Frame const& frame) {
  IMPOUND_TRY(kind, frame_text(frame, "t"));
  RecordFields from{frame};
  std::optional<RecordItem> item;
  if (kind == "head") item = head_from(from);
  if (kind == "peer") item = peer_from(from);
  if (kind == "tracker") item = tracker_from(from);
  if (kind == "scrape") item = scrape_from(from);
  if (kind == "dht") item = RecordDht{from.number("time"), from.number("peers")};
  if (kind == "certificate") item = RecordCertificate{from.bytes("der", record_certificate_bytes_max)};
  if (kind == "exchange") item = exchange_from(from);
  if (kind == "failed_piece") item = failed_piece_from(from);
  if (kind == "web_seed") item = web_seed_from(from);
  if (kind == "table") item = table_from(from);
  if (kind == "senders") item = senders_from(from);
  if (kind == "blocks") item = blocks_from(from);
  if (kind == "left_out") item = left_out_from(from);
  if (!item) return Error{Code::malformed, "a swarm record's item is malformed: of an unknown kind", {}, {}};
  from.is(from.all_taken(), "a field too many");
  if (!from.good()) return Error{Code::malformed, "a swarm record's item is malformed: " + from.wrong(), {}, {}};
  return std::move(*item);
}

}  // namespace impound::fetchers
