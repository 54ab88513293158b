// A swarm record on the disk: it survives whatever its worker dies of, and counts what finds no room; and what the
// journal says of a torrent's blocks comes into its table.
#include "fetchers/torrents/worker/record_file.h"

#include <doctest/doctest.h>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/worker/deliveries.h"
#include "fetchers/torrents/worker/provenance.h"
#include "tests/support/passing_disk.h"
#include "tests/support/simulated_disk.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

InfoHashes hashes() {
  InfoHashes made;
  made.v1.emplace().bytes.fill(std::byte{1});
  return made;
}
RecordHead head() { return {"libtorrent", hashes(), 1}; }
RecordAddress at(std::uint16_t port) { return {{std::byte{0x20}, std::byte{1}}, port}; }
RecordPeer peer(std::uint64_t number) {
  RecordPeer one{number, at(static_cast<std::uint16_t>(1 + number)), {}};
  one.connected_us = 2;
  return one;
}
RecordPeer gone(std::uint64_t number) {
  RecordPeer one = peer(number);
  one.left_us = 3;
  return one;
}

std::vector<RecordItem> items_of(std::string_view bytes) {
  RecordReader reader{bytes};
  std::vector<RecordItem> items;
  while (true) {
    auto item = reader.next();
    REQUIRE(item);
    if (!item.value()) return items;
    items.push_back(*item.value());
  }
}
std::vector<RecordItem> items_on(Disk& disk) {
  return items_of(read_whole(disk, "job/record", record_bytes_max).value());
}

template <class Kind>
std::vector<Kind> all_of_kind(std::vector<RecordItem> const& items) {
  std::vector<Kind> found;
  for (auto const& item : items)
    if (auto const* one = std::get_if<Kind>(&item)) found.push_back(*one);
  return found;
}

/// The first writes of each RecordFile put only so many bytes down before they fail, as a full disk does.
class FullDisk final : public PassingDisk {
 public:
  explicit FullDisk(Disk& disk) : PassingDisk(disk), disk_(disk) {}
  Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) override {
    if (room >= bytes.size()) return disk_.write(file, offset, bytes);
    IMPOUND_CHECK(disk_.write(file, offset, bytes.first(room)));
    return Error{Code::no_space, "full", {}, {}};
  }
  std::size_t room = 1u << 30;

 private:
  Disk& disk_;
};

}  // namespace

TEST_CASE("P1: a swarm record cut at any byte goes on behind its last whole item") {
  std::string whole;
  for (RecordItem const& item : std::vector<RecordItem>{head(), peer(1), gone(1), peer(2)})
    whole += record_bytes(item).value();
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    INFO("cut at " << cut);
    SimulatedDisk disk;
    REQUIRE(disk.make_folder("job"));
    REQUIRE(write_whole(disk, "job/record", bytes_of(whole).first(cut), Replace::no));
    RecordReader reader{std::string_view{whole}.substr(0, cut)};
    std::size_t before = 0;
    for (auto item = reader.next(); item && item.value(); item = reader.next()) ++before;
    RecordFile file{disk, "job", {}};
    file.open();
    CHECK(file.add(head()));
    CHECK(file.add(peer(1)));
    REQUIRE(file.write());
    auto const items = items_on(disk);
    CHECK(items.size() == before + 2);
    CHECK(file.bytes() == read_whole(disk, "job/record", record_bytes_max).value().size());
  }
}

TEST_CASE("the table of a try before is not in the way of the next one") {
  SimulatedDisk disk;
  REQUIRE(disk.make_folder("job"));
  for (std::uint64_t tries = 1; tries <= 40; ++tries) {
    RecordFile file{disk, "job", {}};
    file.open();
    file.add(head());
    file.add(peer(tries));
    file.add(RecordWebSeed{"http://mirror.example/dump/"});
    file.add(RecordTable{16'384, 1, 1, 16'384, 1});
    file.add(RecordSenders{2, {{{}, 1, 16'384}}});
    file.add(RecordBlocks{0, {{2, 1}}});
    file.left_out().peers = tries;
    file.end();
    REQUIRE(file.write());
    auto const items = items_on(disk);
    CHECK(all_of_kind<RecordPeer>(items).size() == tries);
    CHECK(all_of_kind<RecordTable>(items).size() == 1);
    CHECK(all_of_kind<RecordBlocks>(items).size() == 1);
    CHECK(all_of_kind<RecordWebSeed>(items).size() == 1);
    auto const left = all_of_kind<RecordLeftOut>(items);
    REQUIRE(left.size() == 1);
    CHECK(left[0].peers == tries);
  }
}

TEST_CASE("what is no swarm record at all is begun anew") {
  SimulatedDisk disk;
  REQUIRE(disk.make_folder("job"));
  REQUIRE(write_whole(disk, "job/record", bytes_of("no record"), Replace::no));
  RecordFile file{disk, "job", {}};
  file.open();
  file.add(head());
  REQUIRE(file.write());
  CHECK(items_on(disk).size() == 1);
}

TEST_CASE("a swarm record that the disk had no room for is written when there is room, without a gap") {
  SimulatedDisk under;
  REQUIRE(under.make_folder("job"));
  FullDisk disk{under};
  RecordFile file{disk, "job", {}};
  file.open();
  file.add(head());
  REQUIRE(file.write());
  disk.room = 7;
  file.add(peer(1));
  CHECK_FALSE(file.write());
  file.add(peer(2));
  CHECK_FALSE(file.write());
  disk.room = 1u << 30;
  REQUIRE(file.write());
  auto const peers = all_of_kind<RecordPeer>(items_on(under));
  REQUIRE(peers.size() == 2);
  CHECK(peers[1].number == 2);
}

TEST_CASE("P6: what finds no room in a swarm record is counted, also over the death of its worker") {
  SimulatedDisk disk;
  REQUIRE(disk.make_folder("job"));
  RecordLimits limits;
  limits.peers = 5;
  limits.searches = 2;
  {
    RecordFile file{disk, "job", limits};
    file.open();
    file.add(head());
    for (std::uint64_t i = 0; i < 8; ++i) {
      CHECK(file.add(peer(i)) == (i < 5));
      CHECK(file.add(gone(i)) == (i < 5));  // more of one that has room has room
    }
    CHECK(file.left_out().peers == 3);
    REQUIRE(file.write());
  }
  {
    // It died: of the three the record knows two, told when their number had doubled.
    RecordFile file{disk, "job", limits};
    file.open();
    CHECK(file.left_out().peers == 2);
    file.add(head());
    CHECK_FALSE(file.add(gone(0)));
    for (int i = 0; i < 4; ++i) file.add(RecordDht{1, 1});
    file.end();
    REQUIRE(file.write());
  }
  auto const items = items_on(disk);
  auto const* left = std::get_if<RecordLeftOut>(&items.back());
  REQUIRE(left != nullptr);
  CHECK(left->peers == 3);
  CHECK(left->searches == 2);
  CHECK(all_of_kind<RecordDht>(items).size() == 2);
  CHECK(all_of_kind<RecordPeer>(items).size() == 10);
}

TEST_CASE("P6: the details of a swarm record leave room for its table") {
  SimulatedDisk disk;
  REQUIRE(disk.make_folder("job"));
  RecordLimits limits;
  limits.bytes = 10'000;
  RecordFile file{disk, "job", limits};
  file.open();
  file.add(head());
  std::uint64_t had_room = 0;
  for (int i = 0; i < 1'000; ++i) had_room += file.add(RecordTracker{1, std::string(100, 'u'), 1}) ? 1u : 0u;
  CHECK(had_room > 50);
  CHECK(file.left_out().trackers == 1'000 - had_room);
  CHECK(file.bytes() < 12'000);  // and how many found no room, told as their number doubled
  CHECK(file.add(RecordBlocks{0, {{1, 5}}}));
}

TEST_CASE("a certificate stands once in a swarm record, and exchanges name it by its digest") {
  auto const disk = std::make_shared<SimulatedDisk>();
  REQUIRE(disk->make_folder("job"));
  for (int worker = 0; worker < 2; ++worker) {
    Provenance provenance{disk, std::make_shared<Arrivals>(), {}};
    TorrentJob job;
    job.asked.id = job.asked.folder = "job";
    job.asked.hashes = hashes();
    provenance.begin(job);
    WebExchange exchange;
    exchange.web_seed = "https://example.org/";
    exchange.url = "https://example.org/file";
    exchange.certificates = {"leaf", "issuer"};
    exchange.status = 206;
    provenance.add("job", exchange);
    exchange.certificates = {"other leaf", "issuer"};
    exchange.outcome = "cut off";
    provenance.add("job", exchange);
    auto const told = provenance.finish(job, {"https://example.org/"});
    REQUIRE(told);
    CHECK(told->staged_path == "record");
    CHECK(told->bytes == read_whole(*disk, "job/record", record_bytes_max).value().size());
  }
  auto const bytes = read_whole(*disk, "job/record", record_bytes_max).value();
  CHECK(check_record(bytes, hashes()));
  auto const items = items_of(bytes);
  CHECK(all_of_kind<RecordHead>(items).size() == 2);
  CHECK(all_of_kind<RecordCertificate>(items).size() == 3);
  auto const exchanges = all_of_kind<RecordExchange>(items);
  REQUIRE(exchanges.size() == 4);
  CHECK(exchanges[3].certificates == std::vector<Sha256>{sha256(bytes_of("other leaf")), sha256(bytes_of("issuer"))});
  CHECK(exchanges[3].outcome == "cut off");
  CHECK(std::get<RecordLeftOut>(items.back()).sum() == 0);
  CHECK(all_of_kind<RecordWebSeed>(items).size() == 1);  // of the last worker, with its table
}

TEST_CASE("a record that cannot be written is none, and fails nothing") {
  auto const disk = std::make_shared<SimulatedDisk>();  // without the job's folder
  Provenance provenance{disk, std::make_shared<Arrivals>(), {}};
  TorrentJob job;
  job.asked.id = job.asked.folder = "job";
  job.asked.hashes = hashes();
  provenance.begin(job);
  provenance.tick(job, {});
  CHECK_FALSE(provenance.finish(job, {}));
  CHECK_FALSE(provenance.finish(job, {}));  // nor is one that never began
}

TEST_CASE("the table has each block that the journal knows, its padding left out of the bytes") {
  // v2 alone: each file begins with a piece of two blocks.
  Metainfo torrent;
  torrent.hashes.v2.emplace();
  torrent.piece_length = 32'768;
  torrent.files.resize(3);
  torrent.files[0].size = 40'000;  // pieces 0 and 1, of the latter 7,232 bytes
  torrent.files[1].size = 0;
  torrent.files[2].size = 50'000;  // pieces 2 and 3
  auto const map = map_of(torrent);
  REQUIRE(map.pieces() == 4);
  JournalContent journal;
  journal.senders = {{{std::byte{0x20}}, 1}, {{std::byte{0x20}}, 2}};
  journal.pieces[0];
  journal.pieces[1];
  journal.pieces[3];
  journal.sent[0] = {{1, 1}, {0, 1}};
  journal.sent[1] = {{0, 1}};                       // its second block is padding
  journal.sent[2] = {{0, 2}};                       // not in the journal: what there is may not hold
  journal.sent[3] = {{0, 1}, {sender_unknown, 9}};  // more than there are
  RecordLeftOut left_out;
  std::vector<RecordItem> items;
  deliveries(map, journal, {}).tell(torrent.piece_length, 4, left_out, [&](RecordItem item) {
    items.push_back(std::move(item));
  });
  REQUIRE(items.size() == 3);
  auto const& table = std::get<RecordTable>(items[0]);
  CHECK(table.blocks == 8);
  CHECK(table.bytes == 90'000);
  CHECK(table.absent_blocks == 2);
  CHECK(table.absent_bytes == 32'768);
  CHECK(table.unknown_blocks == 2);
  CHECK(table.unknown_bytes == 50'000 - 32'768 - 16'384);
  auto const& senders = std::get<RecordSenders>(items[1]);
  REQUIRE(senders.rows.size() == 2);
  CHECK(senders.rows[0].at.port == 1);
  CHECK(senders.rows[0].blocks == 3);
  CHECK(senders.rows[0].bytes == 16'384 + 7'232 + 16'384);
  CHECK(senders.rows[1].bytes == 16'384);
  using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  CHECK(std::get<RecordBlocks>(items[2]).runs == Runs{{3, 1}, {2, 2}, {1, 1}, {0, 2}, {2, 1}, {1, 1}});
}
