// The swarm record that a worker leaves: each peer named, with the blocks it delivered; the liar under the pieces that
// failed; and all of it over the death of a worker.
#include <signal.h>

#include <algorithm>
#include <map>
#include <set>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/swarm_record.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

namespace {

constexpr std::size_t piece_bytes = 65'536;
constexpr std::size_t pieces = 30;

/// A record, taken apart.
struct Read {
  std::vector<RecordHead> heads;
  std::map<std::string, RecordPeer> peers;  // that were reached, the last word of each
  std::vector<RecordPeer> unreached;
  std::vector<RecordTracker> trackers;
  std::vector<RecordScrape> scrapes;
  std::vector<RecordFailedPiece> failed;
  std::vector<RecordExchange> exchanges;
  std::set<std::string> web_seeds;
  std::optional<RecordTable> table;
  std::map<std::string, RecordSenders::Row> senders;
  std::vector<std::string> blocks;  // who sent each; "" for nobody known, "-" for not there
  std::optional<RecordLeftOut> left_out;
};

Read read_record(World& world, SwarmJob const& job, SwarmRecord const& told) {
  auto const bytes = contents(world.staging() / job.folder / told.staged_path);
  CHECK(bytes.size() == told.bytes);
  auto const fits = check_record(bytes, job.hashes);
  CHECK_MESSAGE(fits, (fits ? "" : line(fits.error())));
  Read read;
  std::vector<RecordSenders::Row> rows;
  RecordReader reader{bytes};
  for (auto item = reader.next(); item && item.value(); item = reader.next()) {
    auto const& one = *item.value();
    if (auto const* head = std::get_if<RecordHead>(&one)) read.heads.push_back(*head);
    if (auto const* peer = std::get_if<RecordPeer>(&one)) {
      if (peer->connected_us)
        read.peers[record_address_text(peer->at)] = *peer;
      else
        read.unreached.push_back(*peer);
    }
    if (auto const* tracker = std::get_if<RecordTracker>(&one)) read.trackers.push_back(*tracker);
    if (auto const* scrape = std::get_if<RecordScrape>(&one)) read.scrapes.push_back(*scrape);
    if (auto const* failed = std::get_if<RecordFailedPiece>(&one)) read.failed.push_back(*failed);
    if (auto const* exchange = std::get_if<RecordExchange>(&one)) read.exchanges.push_back(*exchange);
    if (auto const* seed = std::get_if<RecordWebSeed>(&one)) read.web_seeds.insert(seed->url);
    if (auto const* table = std::get_if<RecordTable>(&one)) read.table = *table;
    if (auto const* senders = std::get_if<RecordSenders>(&one))
      for (auto const& row : senders->rows) {
        read.senders[record_address_text(row.at)] = row;
        rows.push_back(row);
      }
    if (auto const* runs = std::get_if<RecordBlocks>(&one)) {
      CHECK(runs->first == read.blocks.size());
      for (auto const& [sender, count] : runs->runs)
        read.blocks.insert(read.blocks.end(), count,
                           sender == record_absent    ? "-"
                           : sender == record_unknown ? ""
                                                      : record_address_text(rows.at(sender - record_first_sender).at));
    }
    if (auto const* left = std::get_if<RecordLeftOut>(&one)) read.left_out = *left;
  }
  return read;
}

/// Listens to the end, which must have told of a record.
SwarmRecord listen_for_record(Swarm& swarm, Heard& heard) {
  std::optional<SwarmRecord> told;
  heard = listen(swarm, 90s, [&](SwarmEvent const& event) {
    if (auto const* record = std::get_if<SwarmRecord>(&event)) told = *record;
    return false;
  });
  REQUIRE(told);
  return *told;
}

/// A seeder on 127.0.0.2 that has the pieces [first, last) alone.
PeerAddress seed_of(World& world, MadeTorrent const& torrent, std::string const& bytes, std::size_t first,
                    std::size_t last, std::string const& rate) {
  auto const folder = world.folder() / ("part-" + std::to_string(first));
  std::string part(bytes.size(), '\0');
  part.replace(first * piece_bytes, (last - first) * piece_bytes, bytes, first * piece_bytes,
               (last - first) * piece_bytes);
  write_file(folder / "payload", part);
  world.programs.push_back(std::make_unique<Program>(
      "seeder.py",
      std::vector<std::string>{torrent.file, folder.string(), "--listen", "127.0.0.2:0", "--in-part", "--rate", rate}));
  return operators_peer("127.0.0.2", world.programs.back()->line()["port"].get<std::uint16_t>());
}

/// At 127.0.0.5: has every piece, and spoils one of the first ten.
Program liar_of(World& world, MadeTorrent const& torrent) {
  write_file(world.folder() / "info", read_torrent(contents(torrent.file), MetainfoLimits{}).value().info);
  return Program{"lying_peer.py",
                 {(world.folder() / "info").string(), "--listen", "127.0.0.5:0", "--garbage", "10", "--all",
                  std::to_string(pieces), "--of", (world.folder() / "payload").string(), "--piece-size",
                  std::to_string(piece_bytes), "--spoil", "7"}};
}

}  // namespace

TEST_CASE("the swarm record names each peer with the blocks it delivered, and the liar under the pieces that failed") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v1", "v2"}) {
    INFO(version);
    World world;
    auto const bytes = random_bytes(pieces * piece_bytes, 8);
    write_file(world.folder() / "payload", bytes);
    auto const torrent = world.torrent(version, {"--piece-size", std::to_string(piece_bytes)});
    auto liar = liar_of(world, torrent);
    auto const lies = operators_peer("127.0.0.5", liar.line()["port"].get<std::uint16_t>());
    auto const middle = seed_of(world, torrent, bytes, 10, 20, "2000000");
    world.programs.push_back(std::make_unique<Program>(
        "seeder.py", std::vector<std::string>{torrent.file, world.folder().string(), "--listen", "127.0.0.2:0",
                                              "--rate", "800000"}));
    auto const whole = operators_peer("127.0.0.2", world.programs.back()->line()["port"].get<std::uint16_t>());
    auto job = world.job(torrent, {lies, middle, whole});
    job.torrent = contents(torrent.file);
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    Heard heard;
    auto const told = listen_for_record(*swarm, heard);
    REQUIRE_MESSAGE(heard.done, (heard.failed ? heard.failed->reason + " " + heard.failed->detail : "no end"));
    REQUIRE(heard.files.size() == 1);
    CHECK(contents(world.staging() / job.folder / heard.files[0].staged_path) == bytes);
    CHECK(heard.done->uploaded_payload == 0);

    auto const read = read_record(world, job, told);
    REQUIRE(read.heads.size() == 1);
    CHECK(read.heads[0].hashes == job.hashes);
    CHECK(read.heads[0].engine.starts_with("libtorrent "));
    REQUIRE(read.left_out);
    CHECK(read.left_out->sum() == 0);
    // What was delivered, block by block.
    REQUIRE(read.table);
    CHECK(read.table->blocks == pieces * 4);
    CHECK(read.table->bytes == bytes.size());
    CHECK(read.table->unknown_blocks + read.table->absent_blocks == 0);
    REQUIRE(read.blocks.size() == pieces * 4);
    std::map<std::string, std::uint64_t> counted;
    for (auto const& who : read.blocks) ++counted[who];
    std::uint64_t sum = 0;
    std::uint64_t blocks = 0;
    for (auto const& [who, row] : read.senders) {
      CHECK(row.blocks == counted[who]);
      CHECK(read.peers.at(who).bytes >= row.bytes);  // some came that did not hash
      sum += row.bytes;
      blocks += row.blocks;
    }
    CHECK(sum == bytes.size());
    CHECK(blocks == pieces * 4);
    std::set<std::string> const only{endpoint_text(whole)};
    std::set<std::string> const two{endpoint_text(whole), endpoint_text(middle)};
    std::set<std::string> const first{endpoint_text(whole), endpoint_text(lies)};
    for (std::size_t block = 0; block < read.blocks.size(); ++block) {
      CAPTURE(block);
      CHECK((block < 40 ? first : block < 80 ? two : only).contains(read.blocks[block]));
    }
    CHECK(read.senders.contains(endpoint_text(middle)));
    // Who they are.
    REQUIRE(read.peers.size() == 3);
    for (auto const& [who, peer] : read.peers) {
      CAPTURE(who);
      CHECK(peer.sources == std::vector<std::string>{"operator"});
      CHECK(peer.left_us);
      CHECK(peer.left_us >= peer.connected_us);
      CHECK_FALSE(peer.why.empty());
      CHECK(peer.blocks > 0);
    }
    CHECK(read.peers.at(endpoint_text(lies)).id == "-XX0000-liarliarliar");
    CHECK_FALSE(read.peers.at(endpoint_text(whole)).client.empty());
    // And who lied.
    CHECK(liar.line_with("lied")["lied"].get<bool>());
    REQUIRE_FALSE(read.failed.empty());
    bool named = false;
    for (auto const& failed : read.failed) {
      CHECK(failed.piece < 10);
      CHECK(failed.time_us >= read.heads[0].begun_us);
      for (auto const& run : failed.from) named |= run.from && record_address_text(*run.from) == endpoint_text(lies);
    }
    CHECK(named);
  }
}

TEST_CASE("three seeders, one of which lies, and a web seed: each is named with what it delivered") {
  if (!have_peers()) return;
  World world;
  world.settings.allowed = {{"127.0.0.4", "127.0.0.4", std::nullopt}};
  auto const bytes = random_bytes(pieces * piece_bytes, 8);
  write_file(world.folder() / "payload", bytes);
  auto const torrent = world.torrent("v1", {"--piece-size", std::to_string(piece_bytes)});
  auto liar = liar_of(world, torrent);
  auto const lies = operators_peer("127.0.0.5", liar.line()["port"].get<std::uint16_t>());
  auto const early = seed_of(world, torrent, bytes, 0, 12, "300000");
  auto const middle = seed_of(world, torrent, bytes, 10, 20, "300000");
  Program web{"web_seed.py", {world.folder().string(), "--listen", "127.0.0.4:0", "--habits", R"({"drip":400000})"}};
  auto const url = "http://127.0.0.4:" + std::to_string(web.line()["port"].get<int>()) + "/payload";
  auto job = world.job(torrent, {lies, early, middle});
  job.torrent = contents(torrent.file);
  job.web_seeds = {{url}};
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  Heard heard;
  auto const told = listen_for_record(*swarm, heard);
  REQUIRE_MESSAGE(heard.done, (heard.failed ? heard.failed->reason + " " + heard.failed->detail : "no end"));
  CHECK(contents(world.staging() / job.folder / heard.files.at(0).staged_path) == bytes);

  auto const read = read_record(world, job, told);
  REQUIRE(read.table);
  CHECK(read.table->unknown_blocks + read.table->absent_blocks == 0);
  auto const web_seed = record_address_text(web_seed_address(url));
  std::uint64_t sum = 0;
  for (auto const& [who, row] : read.senders) {
    sum += row.bytes;
    CHECK(row.blocks == static_cast<std::uint64_t>(std::count(read.blocks.begin(), read.blocks.end(), who)));
  }
  CHECK(sum == bytes.size());
  for (auto const& who : {web_seed, endpoint_text(early), endpoint_text(middle)}) {
    CAPTURE(who);
    REQUIRE(read.senders.contains(who));
    CHECK(read.senders.at(who).bytes > 0);
  }
  for (std::size_t block = 80; block < read.blocks.size(); ++block)  // only the liar and the web seed have these
    CHECK((read.blocks[block] == web_seed || read.blocks[block] == endpoint_text(lies)));
  CHECK(read.web_seeds == std::set{url});
  REQUIRE_FALSE(read.exchanges.empty());
  std::uint64_t from_web = 0;
  for (auto const& exchange : read.exchanges) {
    CHECK(exchange.web_seed == url);
    CHECK(exchange.url == url);
    CHECK(exchange.address == "127.0.0.4");
    CHECK(exchange.head_sha256);
    CHECK((exchange.status == 206 || exchange.status == 200));
    from_web += exchange.bytes;
  }
  CHECK(from_web >= read.senders.at(web_seed).bytes);
  bool named = false;
  for (auto const& failed : read.failed)
    for (auto const& run : failed.from) named |= run.from && record_address_text(*run.from) == endpoint_text(lies);
  CHECK(named);
}

TEST_CASE("a torrent's sums are its payload, whatever its padding") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v1", "v2", "hybrid"}) {
    INFO(version);
    World world;
    world.make_payload(300'001);
    auto const torrent = world.torrent(version, {"--piece-size", "32768"});
    auto const seed = world.seed(torrent);
    auto const job = world.job(torrent, {seed});
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    Heard heard;
    auto const told = listen_for_record(*swarm, heard);
    REQUIRE(heard.done);
    world.check_files(job, heard);
    std::uint64_t payload = 0;
    for (auto const& file : heard.files) payload += file.size;
    auto const read = read_record(world, job, told);
    REQUIRE(read.table);
    CHECK(read.table->bytes == payload);
    REQUIRE(read.senders.size() == 1);
    CHECK(read.senders.at(endpoint_text(seed)).bytes == payload);
    CHECK(read.table->unknown_bytes + read.table->absent_bytes == 0);
  }
}

TEST_CASE("P1: the swarm record goes on over the death of its worker, and knows who had sent what to the one before") {
  if (!have_peers()) return;
  World world;
  auto const bytes = random_bytes(pieces * piece_bytes, 9);
  write_file(world.folder() / "payload", bytes);
  auto const torrent = world.torrent("v1", {"--piece-size", std::to_string(piece_bytes)});
  auto const before = world.seed(torrent, {"--rate", "600000"});
  auto const after = world.seed(torrent);
  auto job = world.job(torrent, {before});
  job.torrent = contents(torrent.file);
  {
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm, 60s, [&](SwarmEvent const& event) {
      auto const* progress = std::get_if<Progress>(&event);
      if (progress == nullptr || progress->downloaded < 10 * piece_bytes) return false;
      ::kill(swarm->worker(), SIGKILL);
      return true;
    });
    REQUIRE_FALSE(heard.done);
  }
  // Half an item, as a death in the middle of a write leaves it.
  auto const path = world.staging() / job.folder / "record";
  auto const left = contents(path);
  REQUIRE(left.size() > 100);
  write_file(path, left + left.substr(0, 10));
  job.peers = {after};
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  Heard heard;
  auto const told = listen_for_record(*swarm, heard);
  REQUIRE(heard.done);
  REQUIRE(heard.files.size() == 1);
  CHECK(contents(world.staging() / job.folder / heard.files[0].staged_path) == bytes);
  CHECK(contents(path).starts_with(left));
  auto const read = read_record(world, job, told);
  REQUIRE(read.heads.size() == 2);
  REQUIRE(read.table);
  CHECK(read.table->unknown_blocks + read.table->absent_blocks == 0);
  CHECK(read.peers.contains(endpoint_text(before)));
  CHECK(read.peers.contains(endpoint_text(after)));
  CHECK(read.senders.at(endpoint_text(before)).bytes >= 8 * piece_bytes);
  CHECK(read.senders.at(endpoint_text(before)).bytes + read.senders.at(endpoint_text(after)).bytes == bytes.size());
  CHECK(read.left_out->sum() == 0);
}

TEST_CASE("a job that ends in vain has a swarm record of whom it asked") {
  if (!have_peers()) return;
  World world;
  InfoHashes const hashes{InfoHashV1{sha1(bytes_of("nobody has this")).bytes}, std::nullopt};
  auto const nobody = operators_peer("127.0.0.1", closed_port());
  auto job = world.job({{}, hashes}, {nobody});
  job.trackers = {"http://127.0.0.1:" + std::to_string(nobody.port) + "/announce"};
  job.metadata_timeout_s = 3;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  Heard heard;
  auto const told = listen_for_record(*swarm, heard);
  REQUIRE(heard.failed);
  auto const read = read_record(world, job, told);
  REQUIRE_FALSE(read.trackers.empty());
  CHECK(read.trackers[0].url == job.trackers[0]);
  CHECK_FALSE(read.trackers[0].error.empty());
  REQUIRE_FALSE(read.unreached.empty());
  CHECK(record_address_text(read.unreached[0].at) == endpoint_text(nobody));
  CHECK(read.unreached.back().tries >= 2);
  CHECK_FALSE(read.unreached.back().why.empty());
  CHECK(read.peers.empty());
  CHECK_FALSE(read.table);
  CHECK(read.left_out);
}

TEST_CASE("a tracker's answer stands in the swarm record, and that a peer is known by it") {
  if (!have_peers()) return;
  World world;
  world.make_payload(400'000);
  auto const torrent = world.torrent("v1");
  auto const seed = world.seed(torrent, {"--rate", "200000"});
  Program tracker{"tracker.py", {"--listen", "127.0.0.4:0", "--peer", endpoint_text(seed)}};
  auto const port = tracker.line()["port"].get<std::uint16_t>();
  auto job = world.job(torrent, {});
  job.trackers = {"http://127.0.0.4:" + std::to_string(port) + "/announce"};
  world.settings.allowed = {{"127.0.0.4", "127.0.0.4", port}, {"127.0.0.2", "127.0.0.2", std::nullopt}};
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  Heard heard;
  auto const told = listen_for_record(*swarm, heard);
  REQUIRE(heard.done);
  auto const read = read_record(world, job, told);
  REQUIRE_FALSE(read.trackers.empty());
  CHECK(read.trackers[0].peers == 1);
  for (auto const& one : read.trackers)
    CHECK(one.error.empty());  // not that there is none of IPv6, say: nobody was asked
  REQUIRE(read.peers.contains(endpoint_text(seed)));
  CHECK(read.peers.at(endpoint_text(seed)).sources == std::vector<std::string>{"tracker"});
  CHECK(tracker.stop("announces")["announces"].get<std::size_t>() >= read.trackers.size());
}
