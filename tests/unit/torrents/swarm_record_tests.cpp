// The swarm record: every kind comes back as it was, nothing beyond the bounds is read, and its table stays small.
#include "fetchers/torrents/swarm_record.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/delivery_table.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

RecordAddress peer_at(std::uint8_t last, std::uint16_t port) {
  RecordAddress at;
  at.bytes[10] = at.bytes[11] = std::byte{0xff};
  at.bytes[12] = std::byte{192};
  at.bytes[14] = std::byte{2};
  at.bytes[15] = std::byte{last};
  at.port = port;
  return at;
}

InfoHashes torrent() {
  InfoHashes hashes;
  hashes.v1.emplace().bytes.fill(std::byte{1});
  hashes.v2.emplace().bytes.fill(std::byte{2});
  return hashes;
}

constexpr std::uint64_t noon = 1'494'000'000'000'000;

/// One of each kind, every field set.
std::vector<RecordItem> all_kinds() {
  std::string const url = "https://example.org/data\xff";
  RecordPeer peer{7,
                  peer_at(1, 6881),
                  {"operator", "dht"},
                  1,
                  noon,
                  noon + 1,
                  std::string(20, 'p'),
                  "\xff"
                  "Client 1"};
  peer.left_us = noon + 2;
  peer.why = "end of file";
  peer.blocks = 3;
  peer.bytes = 40'000;
  RecordExchange exchange{url, url + "/file", 4, 5, 6, noon, noon + 9, 206, 2, sha256({}), "192.0.2.9", 443, "TLSv1.3"};
  exchange.certificates = {sha256(bytes_of("der"))};
  exchange.outcome = "the server sent another range";
  RecordAddress six;
  six.bytes[0] = std::byte{0x20};
  six.bytes[1] = std::byte{0x01};
  six.port = 1;
  RecordScrape scrape{noon, url};
  scrape.complete = 1;
  scrape.incomplete = 2;
  scrape.downloaded = 3;
  return {RecordHead{"libtorrent 2.0.8.0", torrent(), noon},
          peer,
          RecordPeer{8, six, {}, 12, noon},
          RecordTracker{noon, url, 9},
          RecordTracker{noon, url, {}, "said: no", "and \x1b[1m this"},
          scrape,
          RecordScrape{noon, url, {}, {}, {}, "timed out"},
          RecordDht{noon, 5},
          RecordCertificate{"der"},
          exchange,
          RecordFailedPiece{noon, 11, {{peer_at(1, 6881), 2}, {std::nullopt, 1}, {web_seed_address(url), 3}}},
          RecordWebSeed{url},
          RecordTable{16'384, 6, 6, 90'000, 2, 1, 16'384, 0, 0},
          RecordSenders{2, {{peer_at(1, 6881), 3, 49'152}, {web_seed_address(url), 2, 24'464}}},
          RecordBlocks{0, {{2, 3}, {3, 2}, {1, 1}}},
          RecordLeftOut{1, 2, 3, 4, 5, 6, 7, 8}};
}

std::string bytes_of_all(std::vector<RecordItem> const& items) {
  std::string bytes;
  for (auto const& item : items) bytes += record_bytes(item).value();
  return bytes;
}

std::vector<RecordItem> read_all(std::string_view bytes, std::size_t& whole) {
  RecordReader reader{bytes};
  std::vector<RecordItem> items;
  for (auto item = reader.next(); item && item.value(); item = reader.next()) items.push_back(*item.value());
  whole = reader.position();
  return items;
}

/// {"t": kind, …} with one field set to another value, or taken away.
Result<RecordItem> with(RecordItem const& item, char const* key, std::optional<Frame> value) {
  auto frame = decode_frame(record_bytes(item).value()).value();
  if (value)
    frame[key] = *value;
  else
    frame.erase(key);
  return record_item_from(frame);
}

}  // namespace

TEST_CASE("each kind of a swarm record's items comes back as it was") {
  auto const items = all_kinds();
  for (std::size_t kind = 0; kind < std::variant_size_v<RecordItem>; ++kind) {
    INFO("kind " << kind);
    CHECK(std::any_of(items.begin(), items.end(), [kind](RecordItem const& one) { return one.index() == kind; }));
  }
  auto const bytes = bytes_of_all(items);
  std::size_t whole = 0;
  auto const again = read_all(bytes, whole);
  CHECK(whole == bytes.size());
  REQUIRE(again.size() == items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    INFO("item " << i);
    CHECK(again[i].index() == items[i].index());
    CHECK(record_bytes(again[i]).value() == record_bytes(items[i]).value());
  }
  auto const& peer = std::get<RecordPeer>(again[1]);
  CHECK(peer.at == peer_at(1, 6881));
  CHECK(peer.client ==
        "\xff"
        "Client 1");
  CHECK(peer.left_us == noon + 2);
  CHECK(peer.sources == std::vector<std::string>{"operator", "dht"});
  auto const& failed = std::get<RecordFailedPiece>(again[10]);
  REQUIRE(failed.from.size() == 3);
  CHECK(failed.from[0].from == peer_at(1, 6881));
  CHECK_FALSE(failed.from[1].from);
  CHECK(failed.from[2].from == web_seed_address("https://example.org/data\xff"));
  CHECK(std::get<RecordSenders>(again[13]).rows[1].at.port == 0);
  CHECK(std::get<RecordBlocks>(again[14]).runs ==
        std::vector<std::pair<std::uint64_t, std::uint64_t>>{{2, 3}, {3, 2}, {1, 1}});
  CHECK(check_record(bytes, torrent()));
}

TEST_CASE("P1: a swarm record that is cut anywhere is whole up to its last whole item") {
  auto const items = all_kinds();
  auto const bytes = bytes_of_all(items);
  std::vector<std::size_t> ends{0};
  for (auto const& item : items) ends.push_back(ends.back() + record_bytes(item).value().size());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    std::size_t whole = 0;
    (void)read_all(std::string_view{bytes}.substr(0, cut), whole);
    auto const last = *std::prev(std::upper_bound(ends.begin(), ends.end(), cut));
    CHECK(whole == last);
  }
  std::size_t whole = 0;
  CHECK(read_all(bytes + std::string(100, '\0'), whole).size() == items.size());  // as a power cut leaves it
  CHECK(whole == bytes.size());
}

TEST_CASE("P6: a swarm record is refused beyond its bounds, and where its parts do not fit") {
  auto const items = all_kinds();
  CHECK_FALSE(with(items[0], "v", 2u));
  CHECK_FALSE(with(items[0], "more", 1u));
  CHECK_FALSE(with(items[0], "begun", std::nullopt));
  CHECK_FALSE(with(items[0], "t", "another"));
  CHECK_FALSE(with(items[0], "info_hash_v1", bytes_value("short")));
  CHECK_FALSE(with(items[1], "port", 65'536u));
  CHECK_FALSE(with(items[1], "port", 0u));
  CHECK_FALSE(with(items[1], "address", bytes_value("12345")));
  CHECK_FALSE(with(items[1], "id", bytes_value("19 bytes are no id")));
  CHECK_FALSE(with(items[1], "client", bytes_value("")));
  CHECK_FALSE(with(items[1], "client", bytes_value(std::string(record_text_bytes_max + 1, 'x'))));
  CHECK(with(items[1], "client", bytes_value(std::string(record_text_bytes_max, 'x'))));
  CHECK_FALSE(with(items[1], "sources", Frame::array({1})));
  CHECK_FALSE(with(items[1], "sources", Frame::array({"a tracker"})));
  CHECK_FALSE(with(items[1], "blocks", -1));
  CHECK_FALSE(with(items[8], "der", bytes_value(std::string(record_certificate_bytes_max + 1, 'x'))));
  CHECK_FALSE(with(items[9], "certificates", Frame::array({bytes_value("short")})));
  CHECK_FALSE(with(items[10], "from", Frame::array({bytes_value(""), 0u})));
  CHECK_FALSE(with(items[11], "id", bytes_value(std::string(16, 'x'))));
  CHECK_FALSE(with(items[13], "rows", Frame::array({bytes_value("1234"), 1u, 1u})));
  CHECK_FALSE(with(items[14], "runs", Frame::array({1u})));
  RecordBlocks many{0, std::vector<std::pair<std::uint64_t, std::uint64_t>>(record_runs_max, {1, 1})};
  CHECK(record_item_from(decode_frame(record_bytes(many).value()).value()));
  many.runs.emplace_back(1, 1);
  CHECK_FALSE(record_item_from(decode_frame(record_bytes(many).value()).value()));

  InfoHashes other;
  other.v1.emplace().bytes.fill(std::byte{9});
  CHECK_FALSE(check_record(bytes_of_all(items), other));
  CHECK_FALSE(check_record("", torrent()));
  CHECK_FALSE(check_record(bytes_of_all({items[1], items[0]}), torrent()));              // no head first
  CHECK_FALSE(check_record(bytes_of_all({items[0], items[12], items[14]}), torrent()));  // runs of no sender
  CHECK_FALSE(check_record(bytes_of_all({items[0], RecordSenders{3, {}}}), torrent()));  // a number too far
  CHECK_FALSE(check_record(bytes_of_all({items[0], RecordBlocks{0, {{1, 0}}}}), torrent()));
  CHECK_FALSE(check_record(bytes_of_all(items) + "x", torrent()));
  // Two tables, as where a worker died between its record and its end: each has senders of its own.
  CHECK(check_record(
      bytes_of_all({items[0], items[12], items[13], items[14], items[0], items[12], items[13], items[14]}), torrent()));
}

TEST_CASE("P6: a swarm record longer than one may be is not read") {
  std::string bytes = record_bytes(RecordHead{"engine", torrent(), noon}).value();
  auto const item = record_bytes(RecordCertificate{std::string(record_certificate_bytes_max, 'x')}).value();
  while (bytes.size() + item.size() <= record_bytes_max) bytes += item;
  CHECK(check_record(bytes, torrent()));
  bytes += item;
  RecordReader reader{bytes};
  CHECK_FALSE(reader.next());
  CHECK_FALSE(check_record(bytes, torrent()));
}

TEST_CASE("a swarm record's items are shown as text that is safe on a terminal") {
  auto const items = all_kinds();
  auto const peer = record_json(items[1]);
  CHECK(peer["address"] == "192.0.2.1:6881");
  CHECK(peer["client"] == "\\xffClient 1");
  CHECK(peer["left"] == "2017-05-05T16:00:00.000002Z");
  CHECK(peer["id"] == hex(bytes_of(std::string(20, 'p'))));
  CHECK(record_json(items[2])["address"] == "[2001::]:1");
  CHECK(record_json(items[4])["warning"] == "and \\x1b[1m this");
  CHECK(record_json(items[8])["sha256"] == hex(sha256(bytes_of("der"))));
  CHECK(record_json(items[9])["certificates"][0] == hex(sha256(bytes_of("der"))));
  CHECK(record_json(items[10])["from"][0] == Json{{"from", "192.0.2.1:6881"}, {"blocks", 2}});
  CHECK(record_json(items[10])["from"][1] == Json{{"blocks", 1}});
  auto const rows = record_json(items[13])["rows"];
  CHECK(rows[0] == Json{{"number", 2}, {"peer", "192.0.2.1:6881"}, {"blocks", 3}, {"bytes", 49'152}});
  CHECK(rows[1]["web_seed"] == record_json(items[11])["id"]);
  for (auto const& item : items) {
    auto const line = record_json(item).dump();
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
  }
}

TEST_CASE("the table of 590,000 blocks that a hundred senders mixed at random is less than 2 MB, and says the same") {
  constexpr std::size_t blocks = 590'000;
  std::vector<RecordAddress> senders;
  for (std::uint8_t i = 0; i < 100; ++i) senders.push_back(peer_at(i, static_cast<std::uint16_t>(1'000 + i)));
  for (unsigned seed = 0; seed < 5; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random{seed};
    DeliveryTable table{senders, {}};
    std::vector<std::optional<RecordAddress>> sent;
    std::map<RecordAddress, std::uint64_t> sums;
    for (std::size_t i = 0; i < blocks; ++i) {
      auto const which = random() % 101;
      std::uint64_t const bytes = i + 1 == blocks ? 100 : 16'384;
      table.add(which < 100 ? static_cast<std::uint32_t>(which) : DeliveryTable::nobody, 1, bytes);
      sent.push_back(which < 100 ? std::optional{senders[which]} : std::nullopt);
      if (which < 100) sums[senders[which]] += bytes;
    }
    RecordLeftOut left_out;
    std::string bytes;
    table.tell(1 << 20, (blocks + 63) / 64, left_out,
               [&](RecordItem const& item) { bytes += record_bytes(item).value(); });
    CHECK(bytes.size() < 2'000'000);
    MESSAGE(bytes.size() << " bytes");
    CHECK(left_out.sum() == 0);
    std::size_t whole = 0;
    std::vector<RecordSenders::Row> rows;
    std::size_t at = 0;
    std::size_t wrong = 0;
    for (auto const& item : read_all(bytes, whole)) {
      if (auto const* table_item = std::get_if<RecordTable>(&item)) {
        CHECK(table_item->blocks == blocks);
        CHECK(table_item->bytes == (blocks - 1) * std::uint64_t{16'384} + 100);
        CHECK(table_item->senders == 100);
      }
      if (auto const* some = std::get_if<RecordSenders>(&item))
        rows.insert(rows.end(), some->rows.begin(), some->rows.end());
      if (auto const* runs = std::get_if<RecordBlocks>(&item)) {
        CHECK(runs->first == at);
        for (auto const& [sender, count] : runs->runs)
          for (std::uint64_t i = 0; i < count && at < blocks; ++i, ++at) {
            bool const known = sender >= record_first_sender;
            bool const right = known ? sent[at] == rows[sender - record_first_sender].at : !sent[at];
            wrong += right ? 0 : 1;
          }
      }
    }
    CHECK(whole == bytes.size());
    CHECK(at == blocks);
    CHECK(wrong == 0);
    REQUIRE(rows.size() == 100);
    for (auto const& row : rows) CHECK(row.bytes == sums[row.at]);
    CHECK(std::is_sorted(rows.begin(), rows.end(), [](auto const& a, auto const& b) { return a.blocks > b.blocks; }));
  }
}

TEST_CASE("a table with more runs than find room counts the blocks of the others") {
  DeliveryTable table{{peer_at(1, 1)}, {.runs_max = 3}};
  for (std::uint32_t i = 0; i < 10; ++i) table.add(i % 2 == 0 ? 0 : DeliveryTable::nothing, 2, 1);
  RecordLeftOut left_out;
  std::uint64_t told = 0;
  std::optional<RecordTable> sums;
  table.tell(16'384, 20, left_out, [&](RecordItem const& item) {
    if (auto const* one = std::get_if<RecordTable>(&item)) sums = *one;
    if (auto const* runs = std::get_if<RecordBlocks>(&item))
      for (auto const& [sender, count] : runs->runs) told += count;
  });
  CHECK(told == 6);
  CHECK(left_out.blocks == 14);
  REQUIRE(sums);
  CHECK(sums->blocks == 20);
  CHECK(sums->absent_blocks == 10);
}

TEST_CASE("the samples of a swarm record are what is written today") {
  // Seeds of the fuzz target, one of each kind; UPDATE_GOLDEN=1 writes them anew.
  auto const folder = std::filesystem::path{TEST_DATA} / "swarm_record";
  auto const bytes = bytes_of_all(all_kinds());
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(folder);
    std::ofstream{folder / "every-kind.cbor-seq", std::ios::binary} << bytes;
    std::ofstream{folder / "torn.cbor-seq", std::ios::binary} << bytes.substr(0, bytes.size() / 2);
    std::ofstream{folder / "head.cbor-seq", std::ios::binary} << record_bytes(all_kinds()[0]).value();
  }
  std::ifstream file{folder / "every-kind.cbor-seq", std::ios::binary};
  std::ostringstream kept;
  kept << file.rdbuf();
  CHECK(kept.str() == bytes);
}
