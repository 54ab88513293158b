// A torrent's bytes as they come, in any order and from anybody: every digest is right, and nothing is read back.
#include "kept_torrent_player.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

TEST_CASE("kept torrent: in order, nothing is read back and every digest is right") {
  Payload const payload{1};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
  Player player{payload, kept, std::mt19937_64{1}, disk};
  REQUIRE(player.begin());
  REQUIRE(player.fetch(false, false));
  check_whole(disk, payload, kept);
  CHECK(counters.pieces_read_back == 0);
  CHECK(counters.bytes_caught_up == 0);
  CHECK(disk.accusations().empty());
}

TEST_CASE("kept torrent: in any order and from peers that lie, every digest is right") {
  KeptLimits limits;
  SUBCASE("as it is") {}
  SUBCASE("behind, and catching up in small parts") { limits.catch_up_bytes = 5'000; }
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Payload const payload{seed};
    SimulatedDisk disk;
    disk.put_folder("job");
    DiskCounters counters;
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
    Player player{payload, kept, std::mt19937_64{seed}, disk};
    REQUIRE(player.begin());
    REQUIRE(player.fetch(seed % 2 == 0, seed % 3 == 0));
    check_whole(disk, payload, kept);
    CHECK(counters.pieces_read_back == 0);
  }
}

TEST_CASE("kept torrent: a second check believes nothing, and a block for a piece that passed changes nothing") {
  Payload const payload{13};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{13}, disk};
    REQUIRE(player.begin());
    REQUIRE(player.fetch(false, false));
    REQUIRE(kept.write(1, 0, raw(std::string(block_bytes, 'x'))));
    check_whole(disk, payload, kept);
  }
  disk.overwrite("job/000002", 100'000, "x");
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
  Player player{payload, kept, std::mt19937_64{13}, disk};
  REQUIRE(player.begin(KeptTorrent::Journal::begun_anew));
  CHECK(std::count(player.have.begin(), player.have.end(), false) == 1);
  REQUIRE(player.fetch(false, false));
  check_whole(disk, payload, kept);
}

TEST_CASE("kept torrent: files that are wanted later come whole, and none is told before") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Payload const payload{seed};
    SimulatedDisk disk;
    disk.put_folder("job");
    DiskCounters counters;
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{seed}, disk};
    REQUIRE(player.begin());
    for (std::size_t piece = 0; piece < payload.map.pieces(); ++piece) player.wanted[piece] = player.random() % 2 == 0;
    REQUIRE(player.fetch(seed % 2 == 0, false));
    for (std::size_t i = 0; i < payload.files.size(); ++i) {
      std::uint64_t begin = 0;
      for (std::size_t before = 0; before < i; ++before) begin += payload.files[before].size;
      bool whole = true;
      for (std::uint64_t at = begin; at < begin + payload.files[i].size; ++at)
        whole = whole && player.have[at / payload.piece_length];
      if (!payload.files[i].pad) CHECK(kept.digest(i).has_value() == whole);
    }
    player.wanted.assign(payload.map.pieces(), true);
    REQUIRE(player.fetch(seed % 2 == 1, false));
    check_whole(disk, payload, kept);
    CHECK(counters.pieces_read_back == 0);
  }
}

TEST_CASE("kept torrent: a block that comes twice with other bytes leaves neither in a digest") {
  Payload const payload{21};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
  Player player{payload, kept, std::mt19937_64{21}, disk};
  REQUIRE(player.begin());
  for (std::size_t piece = 0; piece < payload.map.pieces(); ++piece) {
    for (auto const& block : blocks_of(payload, piece)) {
      auto const right = payload.piece(piece).substr(block.start, block.size);
      auto wrong = right;
      wrong[wrong.size() / 2] ^= 1;
      if (block.start == 0) REQUIRE(kept.write(piece, block.start, raw(wrong)));
      REQUIRE(kept.write(piece, block.start, raw(right)));
    }
    REQUIRE(player.judge(piece));
    CHECK(player.have[piece]);
  }
  REQUIRE(kept.commit());
  check_whole(disk, payload, kept);
  CHECK(counters.pieces_read_back == payload.map.pieces());
}

TEST_CASE("kept torrent: the journal has who sent each block, across restarts, and nothing of pieces that failed") {
  Payload const payload{27};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  auto const sender = [](unsigned number) {
    Sender one;
    one.address[15] = static_cast<std::byte>(number);
    one.port = static_cast<std::uint16_t>(6'000 + number);
    return one;
  };
  auto const write = [&](KeptTorrent& kept, std::size_t piece, auto const& from, bool wrong = false) {
    for (auto const& block : blocks_of(payload, piece)) {
      auto bytes = payload.piece(piece).substr(block.start, block.size);
      if (wrong) bytes[0] ^= 1;
      REQUIRE(kept.write(piece, block.start, raw(bytes), from(block.start / block_bytes)));
    }
  };
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{27}, disk};
    REQUIRE(player.begin());
    write(
        kept, 0, [&](std::size_t) { return sender(9); }, true);
    REQUIRE(player.judge(0));
    write(kept, 0, [&](std::size_t block) { return sender(block < 3 ? 1 : 2); });
    REQUIRE(player.judge(0));
    write(kept, 1, [](std::size_t) { return std::optional<Sender>{}; });
    REQUIRE(player.judge(1));
    REQUIRE(kept.commit());
  }
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{27}, disk};
    REQUIRE(player.begin());
    write(kept, 2, [&](std::size_t block) { return sender(block % 2 == 0 ? 2 : 3); });
    REQUIRE(player.judge(2));
    REQUIRE(kept.commit());
  }
  std::optional<JournalContent> content;
  REQUIRE(DownloadJournal::open(disk, "job", identity, {payload.map.pieces(), payload.files.size(), 4}, content));
  REQUIRE(content);
  CHECK(content->senders == std::vector{sender(9), sender(1), sender(2), sender(3)});
  using Runs = std::vector<SenderRun>;
  CHECK(content->sent[0] == Runs{{1, 3}, {2, 1}});
  CHECK(content->sent[1] == Runs{{sender_unknown, 4}});
  CHECK(content->sent[2] == Runs{{2, 1}, {3, 1}});
  CHECK(content->sent.size() == 3);
}

TEST_CASE("kept torrent: no piece that a torrent may name is that of bytes that are not there") {
  Payload const payload{23};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptLimits limits;
  limits.absent = sha256(raw("by chance"));
  KeptTorrent kept{disk, "job", payload.map, true, identity, counters, limits};
  REQUIRE(kept.open());
  for (std::size_t const piece : {std::size_t{0}, payload.map.pieces()}) {
    auto const hashes = kept.hash(piece, {true, 2});
    REQUIRE(hashes);
    CHECK(std::equal(hashes.value().v1->bytes.begin(), hashes.value().v1->bytes.end(), limits.absent.bytes.begin()));
    CHECK(hashes.value().blocks == std::vector<Sha256>(2, limits.absent));
  }
}

TEST_CASE("kept torrent: for a file that nobody wants no room is taken beyond what shares pieces with others") {
  Payload const payload{25};
  KeptLimits limits;
  limits.files.reserve_from_bytes = 1'000;
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
  Player player{payload, kept, std::mt19937_64{25}, disk};
  kept.choose({true, true, false});
  REQUIRE(player.begin());
  player.wanted.assign(payload.map.pieces(), false);
  player.wanted[0] = true;
  REQUIRE(player.fetch(false, false));
  CHECK(disk.content("job/000000") == payload.bytes[0]);
  CHECK(disk.content("job/000002").size() == payload.piece_length - payload.files[0].size);
  kept.choose({});
  player.wanted[1] = true;
  REQUIRE(player.fetch(false, false));
  CHECK(disk.content("job/000002").size() == payload.files[2].size);
  player.wanted.assign(payload.map.pieces(), true);
  REQUIRE(player.fetch(false, false));
  check_whole(disk, payload, kept);
}

TEST_CASE("kept torrent: a piece of 512 MiB needs no memory of that size") {
  PieceMap const map{512u << 20, {{1u << 30, false}}};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptTorrent kept{disk, "job", map, true, identity, counters};
  REQUIRE(kept.open());
  auto const text = random_text(4 * block_bytes, 1);
  for (std::uint64_t const at : {std::uint64_t{0}, block_bytes, 3 * block_bytes})
    REQUIRE(kept.write(0, at, raw(std::string_view{text}.substr(at, block_bytes))));
  CHECK(kept.hash_block(0, 3 * block_bytes).value() == sha256(raw(std::string_view{text}.substr(3 * block_bytes))));
  CHECK(kept.bytes_pending() == 3 * block_bytes);
  REQUIRE(kept.commit());  // a batch need not wait for the piece to end
  CHECK(kept.bytes_pending() == 0);
}

TEST_CASE("kept torrent: a full disk is told, and with room again it goes on") {
  Payload const payload{9};
  KeptLimits limits;
  SUBCASE("as it fills") {}
  SUBCASE("before it fills, where room is taken") { limits.files.reserve_from_bytes = 1'000; }
  SimulatedDisk disk;
  disk.put_folder("job");
  disk.capacity(120'000);
  DiskCounters counters;
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
    Player player{payload, kept, std::mt19937_64{9}, disk};
    REQUIRE(player.begin());
    auto const fetched = player.fetch(false, false);
    REQUIRE(!fetched);
    CHECK(fetched.error().code == Code::no_space);
  }
  disk.capacity(std::nullopt);
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
  Player player{payload, kept, std::mt19937_64{9}, disk};
  REQUIRE(player.begin());
  REQUIRE(player.fetch(false, false));
  check_whole(disk, payload, kept);
}

TEST_CASE("kept torrent: blocks of v2 are hashed as they come, up to the file's end") {
  std::vector<StoredFile> const files{{100'000, false}, {31'072, true}, {20'000, false}};
  PieceMap const map{64u << 10, files};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptTorrent kept{disk, "job", map, true, identity, counters};
  REQUIRE(kept.open());
  auto const text = random_text(100'000, 1);
  for (std::uint64_t at = 65'536; at < text.size(); at += block_bytes)
    REQUIRE(kept.write(1, at - 65'536, raw(std::string_view{text}.substr(at, block_bytes))));
  auto const hashes = kept.hash(1, {false, 3});
  REQUIRE(hashes);
  REQUIRE(hashes.value().blocks.size() == 3);
  CHECK(hashes.value().blocks[2] == sha256(raw(std::string_view{text}.substr(65'536 + 2 * block_bytes))));
  CHECK(counters.pieces_read_back == 0);
}

TEST_CASE("kept torrent: files that were taken away are asked for no bytes, and their neighbours come whole") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    bool const told = seed % 4 != 3;
    Payload const payload{seed};
    SimulatedDisk disk;
    disk.put_folder("job");
    disk.put_folder("elsewhere");
    {
      DiskCounters counters;
      KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
      Player player{payload, kept, std::mt19937_64{seed}, disk};
      REQUIRE(player.begin());
      for (std::size_t piece = 0; piece < payload.map.pieces(); ++piece)
        player.wanted[piece] = piece == 0 || piece >= 3;
      REQUIRE(player.fetch(seed % 2 == 0, false));
    }
    for (std::size_t const file :
         {0u, 4u}) {  // they share pieces: with one that is to come, and with two that are there
      auto const name = numbered_file(file);
      REQUIRE(disk.rename("job/" + name, "elsewhere/" + name, Replace::no));
    }
    DiskCounters counters;
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    if (told) kept.files_left({true, false, false, true});
    Player player{payload, kept, std::mt19937_64{seed}, disk};
    REQUIRE(player.begin());
    if (told) {
      CHECK(counters.pieces_rechecked == 0);
      CHECK(std::count(player.have.begin(), player.have.end(), true) == 3);
    }
    REQUIRE(player.fetch(seed % 2 == 1, false));
    CHECK(counters.pieces_read_back == 0);
    for (std::size_t const i : {2u, 5u, 6u}) {
      REQUIRE(kept.digest(i));
      CHECK(*kept.digest(i) == sha256(raw(payload.bytes[i])));
      CHECK(disk.content("job/" + numbered_file(i)) == payload.bytes[i]);
    }
    if (told) CHECK_FALSE(disk.facts_of("job/000000"));
    if (told) CHECK_FALSE(disk.facts_of("job/000004"));
  }
}
