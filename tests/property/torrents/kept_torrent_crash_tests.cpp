// A torrent's bytes on a disk that fails, tears and forgets: what is said to be there is there.
#include "kept_torrent_player.h"
#include "tests/support/counts.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

TEST_CASE("kept torrent: a power cut at any step leaves no have-bit without its bytes, and the rest completes") {
  Payload const payload{7};
  KeptLimits limits;  // and with room taken for nearly every file, of which two are open at a time
  SUBCASE("as it is") {}
  SUBCASE("room taken") { limits = {{.open_max = 2, .reserve_from_bytes = 1'000}, 7'000}; }
  std::size_t steps = 0;
  {
    SimulatedDisk disk;
    disk.put_folder("job");
    DiskCounters counters;
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
    Player player{payload, kept, std::mt19937_64{7}, disk};
    REQUIRE(player.begin());
    REQUIRE(player.fetch(true, true));
    steps = disk.steps();
  }
  REQUIRE(steps > 50);
  std::size_t all_told = 0;
  for (std::size_t step = 1; step <= steps; ++step) {
    for (auto const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done}) {
      CAPTURE(step);
      SimulatedDisk disk;
      disk.put_folder("job");
      disk.plan({step, fault});
      DiskCounters counters;
      std::vector<std::size_t> told;  // files that somebody may have taken over
      {
        KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
        Player player{payload, kept, std::mt19937_64{7}, disk};
        if (player.begin()) (void)player.fetch(true, true);
        player.carry_out_late();  // that thread does not know yet
        for (std::size_t i = 0; i < payload.files.size(); ++i)
          if (kept.durable_digest(i)) told.push_back(i);
        all_told += told.size();
      }
      for (std::uint64_t seed = 0; seed < 8; ++seed) {
        CAPTURE(seed);
        auto after = disk.after_power_cut(seed);
        for (std::size_t const file : told) CHECK(after->content("job/" + numbered_file(file)) == payload.bytes[file]);
        KeptTorrent kept{*after, "job", payload.map, false, identity, counters, limits};
        Player player{payload, kept, std::mt19937_64{seed}, *after};
        REQUIRE(player.begin());
        check_have(*after, payload, player);
        REQUIRE(player.fetch(false, false));
        check_whole(*after, payload, kept);
      }
    }
  }
  CHECK(all_told > steps);
}

TEST_CASE("kept torrent: on a disk whose syncs do nothing, the check for have-bits without bytes fails") {
  std::size_t lies = 0;
  for (std::uint64_t seed = 2; seed < 200; ++seed) {
    Payload const payload{seed};
    SimulatedDisk disk;
    disk.put_folder("job");
    disk.drop_syncs(
        [](std::string_view kind, std::string_view path) { return kind == "sync" && path != "job/journal"; });
    DiskCounters counters;
    {
      KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
      Player player{payload, kept, std::mt19937_64{seed}, disk};
      REQUIRE(player.begin());
      REQUIRE(player.fetch(false, false));
    }
    auto after = disk.after_power_cut(seed);
    KeptTorrent kept{*after, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{seed}, *after};
    REQUIRE(player.begin());
    if (std::find(player.have.begin(), player.have.end(), false) != player.have.end()) continue;
    for (std::size_t i = 0; i < payload.files.size(); ++i) {
      auto const& file = payload.files[i];
      if (!file.pad && file.size > 0 && after->content("job/" + numbered_file(i)) != payload.bytes[i]) ++lies;
    }
  }
  CHECK(lies > 0);
}

TEST_CASE("kept torrent: after the worker's death only what is newer than the last batch is read again") {
  Payload const payload{3};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  std::size_t const committed = payload.map.pieces() - 2;
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{3}, disk};
    REQUIRE(player.begin());
    for (std::size_t piece = 0; piece + 1 < payload.map.pieces(); ++piece) {
      for (auto const& block : blocks_of(payload, piece))
        REQUIRE(kept.write(piece, block.start, raw(payload.piece(piece).substr(block.start, block.size))));
      REQUIRE(player.judge(piece));
      if (piece + 1 == committed) REQUIRE(kept.commit());
    }
  }
  auto after = disk.after_kill();
  DiskCounters again;
  KeptTorrent kept{*after, "job", payload.map, false, identity, again};
  Player player{payload, kept, std::mt19937_64{3}, *after};
  REQUIRE(player.begin());
  CHECK(again.pieces_from_journal == committed);
  CHECK(again.pieces_rechecked == 1);
  CHECK(std::count(player.have.begin(), player.have.end(), true) == static_cast<std::ptrdiff_t>(committed + 1));
  REQUIRE(player.fetch(false, false));
  check_whole(*after, payload, kept);
}

TEST_CASE("kept torrent: what a dead worker left in the page cache alone is synced before a record speaks of it") {
  std::size_t taken_over = 0;
  KeptLimits const limits{{.open_max = 128, .reserve_from_bytes = 1'000}};  // so that no size tells what is missing
  auto fault = Fault::cut_before;
  SUBCASE("it died before its sync") {}
  SUBCASE("it died of its sync, which left pages that no later sync saves") { fault = Fault::fail_undone; }
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Payload const payload{seed};
    SimulatedDisk disk;
    disk.put_folder("job");
    DiskCounters counters;
    {
      KeptTorrent kept{disk, "job", payload.map, false, identity, counters, limits};
      Player player{payload, kept, std::mt19937_64{seed}, disk};
      REQUIRE(player.begin());
      for (std::size_t piece = 0; piece + 1 < payload.map.pieces(); ++piece) player.wanted[piece] = seed % 3 != piece;
      disk.plan({.step = 10 + seed, .fault = fault});
      (void)player.fetch(seed % 2 == 0, false);
    }
    auto killed = disk.after_kill();
    {
      DiskCounters again;
      KeptTorrent kept{*killed, "job", payload.map, false, identity, again, limits};
      Player player{payload, kept, std::mt19937_64{seed}, *killed};
      REQUIRE(player.begin());
      REQUIRE(kept.commit());
      taken_over += again.pieces_rechecked;
    }
    auto after = killed->after_power_cut(seed);
    KeptTorrent kept{*after, "job", payload.map, false, identity, counters, limits};
    Player player{payload, kept, std::mt19937_64{seed}, *after};
    REQUIRE(player.begin());
    check_have(*after, payload, player);
    REQUIRE(player.fetch(false, false));
    check_whole(*after, payload, kept);
  }
  CHECK(taken_over > 60);
}

TEST_CASE("kept torrent: after a batch that failed none writes a record") {
  Payload const payload{17};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
  Player player{payload, kept, std::mt19937_64{17}, disk};
  REQUIRE(player.begin());
  std::vector<Batch> batches;
  for (std::size_t piece = 0; piece < 2; ++piece) {
    for (auto const& block : blocks_of(payload, piece))
      REQUIRE(kept.write(piece, block.start, raw(payload.piece(piece).substr(block.start, block.size))));
    REQUIRE(player.judge(piece));
    batches.push_back(kept.take_batch().value());
  }
  auto const before = disk.content("job/journal");
  disk.plan({.step = 1, .fault = Fault::fail_undone});
  for (auto const& batch : batches) {
    auto const done = carry_out(disk, batch);
    CHECK_FALSE(done);
    kept.batch_ended(done, batch.finished);
  }
  CHECK(disk.content("job/journal") == before);
  CHECK_FALSE(kept.write(3, 0, raw(payload.piece(3).substr(0, block_bytes))));
  CHECK_FALSE(kept.take_batch());
}

TEST_CASE("kept torrent: a journal whose files are gone is begun anew before new files can seem to be those") {
  Payload const payload{11};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{11}, disk};
    REQUIRE(player.begin());
    REQUIRE(player.fetch(false, false));
  }
  disk.erase("job/000002");
  disk.erase("job/000004");
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{11}, disk};
    REQUIRE(player.begin());
    // The last block of each: they have their sizes again, and little else.
    for (auto const piece : {std::size_t{2}, std::size_t{4}}) {
      auto const block = blocks_of(payload, piece).back();
      REQUIRE(kept.write(piece, block.start, raw(payload.piece(piece).substr(block.start, block.size))));
    }
  }
  for (auto const ending : {0, 1, 2}) {
    CAPTURE(ending);
    auto after = ending == 0 ? disk.after_kill() : disk.after_power_cut(static_cast<std::uint64_t>(ending - 1));
    KeptTorrent kept{*after, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{11}, *after};
    REQUIRE(player.begin());
    check_have(*after, payload, player);
    REQUIRE(player.fetch(false, false));
    check_whole(*after, payload, kept);
  }
}

TEST_CASE("kept torrent: a journal with any one bit wrong costs what stands behind it, and no digest is wrong") {
  Payload const payload{15};
  std::uint64_t const stride = full_counts() ? 1 : 11;
  std::uint64_t bits = 0;
  for (std::uint64_t bit = 0; bit == 0 || bit < bits; bit += stride) {
    CAPTURE(bit);
    SimulatedDisk disk;
    disk.put_folder("job");
    DiskCounters counters;
    {
      KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
      Player player{payload, kept, std::mt19937_64{15}, disk};
      player.wanted[2] = false;  // so that a file is on its way
      REQUIRE(player.begin());
      REQUIRE(player.fetch(false, false));
    }
    bits = 8 * disk.content("job/journal").size();
    disk.flip_bit("job/journal", bit);
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{15}, disk};
    REQUIRE(player.begin());
    check_have(disk, payload, player);
    REQUIRE(player.fetch(false, false));
    check_whole(disk, payload, kept);
  }
  MESSAGE("bits turned: " << bits / stride);
}

TEST_CASE("kept torrent: a journal that lies, of another torrent, or beside files that are gone, brings no have-bit") {
  Payload const payload{5};
  SimulatedDisk disk;
  disk.put_folder("job");
  DiskCounters counters;
  {
    KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
    Player player{payload, kept, std::mt19937_64{5}, disk};
    REQUIRE(player.begin());
    REQUIRE(player.fetch(false, false));
  }
  SUBCASE("a file is gone") { disk.erase("job/000002"); }
  SUBCASE("another torrent") {
    disk.overwrite("job/journal", 20, "x");
    disk.overwrite("job/000002", 3, "x");
  }
  SUBCASE("garbage") {
    disk.overwrite("job/journal", 0, random_text(200, 1));
    disk.overwrite("job/000004", 3, "x");
  }
  KeptTorrent kept{disk, "job", payload.map, false, identity, counters};
  Player player{payload, kept, std::mt19937_64{5}, disk};
  REQUIRE(player.begin());
  check_have(disk, payload, player);
  CHECK(std::count(player.have.begin(), player.have.end(), false) > 0);
  REQUIRE(player.fetch(false, false));
  check_whole(disk, payload, kept);
}
