// The disk back end beside a disk that is slow: libtorrent's thread never waits for it, the peers do.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/performance_counters.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/storage_defs.hpp>

#include "evidence/formats/digests.h"
#include "fetchers/torrents/worker/arrival_disk.h"
#include "slow_disk.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;
using namespace std::chrono_literals;

namespace {

constexpr int block_size = 16 << 10;
constexpr int piece_size = 4 * block_size;

struct Peer final : lt::disk_observer {
  void on_disk() override { ++told; }
  int told = 0;
};

struct Written {
  bool full = false;
  bool answered = false;
  lt::storage_error error;
};

/// The back end as libtorrent uses it, on this thread; batches of one piece, and two that may be behind.
struct Bench {
  std::shared_ptr<SlowDisk> disk = std::make_shared<SlowDisk>();
  std::shared_ptr<Arrivals> arrivals = std::make_shared<Arrivals>();
  lt::io_context context;
  lt::settings_pack settings;
  lt::counters counters;
  lt::file_storage files;
  std::shared_ptr<Peer> peer = std::make_shared<Peer>();
  ArrivalLimits limits{
      .files_max = 10, .batch_bytes = piece_size, .unsynced_bytes_max = 2 * piece_size, .batch_at_least_every = 1h};
  std::unique_ptr<lt::disk_interface> back_end;
  std::vector<lt::storage_holder> torrents;
  std::vector<char> block = std::vector<char>(block_size, 'b');

  explicit Bench(std::size_t count = 1) {
    files.set_piece_length(piece_size);
    files.add_file("a file", 64 * piece_size);
    files.set_num_pieces(64);
    begin(count);
  }
  void begin(std::size_t count) {
    back_end = arrival_disk(disk, limits, arrivals)(context, settings, counters);
    for (std::size_t i = 0; i < count; ++i) {
      auto const folder = "job" + std::to_string(i);
      disk->disk().put_folder(folder);
      torrents.push_back(
          back_end->new_torrent({files, nullptr, folder, lt::storage_mode_sparse, {}, lt::sha1_hash{}}, nullptr));
      bool checked = false;
      back_end->async_check_files(torrents.back(), nullptr, {}, [&](lt::status_t status, lt::storage_error const&) {
        CHECK(status == lt::status_t::no_error);
        checked = true;
      });
      run_until(checked);
    }
  }
  ~Bench() {
    disk->hold_syncs(false);
    torrents.clear();
    back_end->abort(true);
    context.restart();
    context.run();
  }

  /// What is ready now, and nothing that must be waited for.
  void run_ready() {
    context.restart();
    context.poll();
  }
  void run_until(bool const& done) {
    auto const end = std::chrono::steady_clock::now() + 20s;
    while (!done) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      context.restart();
      context.run_one_for(1s);
    }
  }
  std::shared_ptr<Written> write(int number, std::size_t torrent = 0) {
    auto written = std::make_shared<Written>();
    lt::peer_request const where{lt::piece_index_t{number / 4}, number % 4 * block_size, block_size};
    written->full =
        back_end->async_write(torrents[torrent], where, block.data(), peer, [written](lt::storage_error const& error) {
          written->answered = true;
          written->error = error;
        });
    return written;
  }
  bool synced(std::string const& path) {
    auto const& trace = disk->disk().trace();
    return std::find(trace.begin(), trace.end(), "sync " + path) != trace.end();
  }
};

}  // namespace

TEST_CASE("a disk that does not sync holds up no thread, and beyond two batches the peers wait until it does") {
  Bench bench;
  bench.disk->hold_syncs(true);
  std::vector<std::shared_ptr<Written>> written;
  for (int i = 0; i < 10; ++i) written.push_back(bench.write(i));
  bench.run_ready();
  for (std::size_t i = 0; i < written.size(); ++i) {
    CAPTURE(i);
    CHECK(written[i]->full == (i >= 8));
    CHECK(written[i]->answered == (i < 8));
  }
  CHECK(bench.peer->told == 0);
  CHECK_FALSE(bench.synced("job0/journal"));
  bench.disk->hold_syncs(false);
  bench.run_until(written[9]->answered);
  bench.run_ready();
  CHECK(bench.peer->told == 2);
  for (auto const& one : written) CHECK_FALSE(one->error);
  CHECK_FALSE(bench.write(10)->full);
  CHECK(bench.disk->disk().accusations().empty());
}

TEST_CASE("many torrents below a batch each, together too far behind, make their peers wait and not for ever") {
  Bench bench{3};
  std::shared_ptr<Written> last;
  for (int i = 0; i < 3; ++i)
    for (std::size_t torrent = 0; torrent < 3; ++torrent) last = bench.write(i, torrent);
  CHECK(last->full);
  bench.run_until(last->answered);
}

TEST_CASE("a torrent is let go of when its last batch is on the medium, and not before") {
  Bench bench;
  bench.disk->hold_syncs(true);
  auto const written = bench.write(0);
  bool let_go = false;
  bench.back_end->async_stop_torrent(bench.torrents[0], [&] { let_go = true; });
  bench.run_ready();
  CHECK(written->answered);
  CHECK_FALSE(let_go);
  bench.disk->hold_syncs(false);
  bench.run_until(let_go);
  CHECK(bench.synced("job0/000000"));
}

TEST_CASE("a sync that fails is told with every later block") {
  Bench bench;
  bench.disk->fail_syncs(true);
  auto const before = bench.write(0);
  bool released = false;
  bench.back_end->async_release_files(bench.torrents[0], [&] { released = true; });
  bench.run_until(released);
  CHECK_FALSE(before->error);
  bench.disk->fail_syncs(false);
  auto const after = bench.write(1);
  bench.run_until(after->answered);
  CHECK(after->error);
}

TEST_CASE("what is written is on the medium after the time of a batch, however little it is") {
  Bench bench{0};
  bench.limits.batch_at_least_every = 1ms;
  bench.back_end->abort(true);
  bench.begin(1);
  auto const written = bench.write(0);
  auto const end = std::chrono::steady_clock::now() + 20s;
  while (bench.arrivals->counters().batches == 0) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    bench.context.restart();
    bench.context.run_one_for(1s);
  }
  CHECK(bench.synced("job0/000000"));
}

TEST_CASE("a digest that fell behind catches up in parts, between which libtorrent has its turn") {
  Bench bench{0};
  bench.limits.kept.catch_up_bytes = block_size;
  bench.back_end->abort(true);
  bench.begin(1);
  auto const pass = [&](int piece) {
    for (int i = 0; i < 4; ++i) (void)bench.write(4 * piece + i);
    bench.run_ready();
    bench.arrivals->listener->piece_passed(nullptr, lt::piece_index_t{piece});
  };
  for (int piece = 1; piece < 64; ++piece) pass(piece);
  pass(0);
  std::size_t turns = 0;
  while (bench.arrivals->counters().bytes_caught_up < 63 * piece_size) {
    REQUIRE(++turns < 1'000);
    bench.context.restart();
    bench.context.run_one_for(20s);
  }
  bool released = false;
  bench.back_end->async_release_files(bench.torrents[0], [&] { released = true; });
  bench.run_until(released);
  CHECK(turns > 200);  // 63 pieces of four blocks, a block at a time
  std::vector<char> const all(64 * piece_size, 'b');
  CHECK(bench.arrivals->of("job0", 0) == sha256(std::as_bytes(std::span{all})));
}

TEST_CASE(
    "a file that is whole is closed before anybody hears of it, and its bytes reach the medium wherever it went") {
  Bench bench{0};
  bench.limits.batch_bytes = 100 * piece_size;
  bench.limits.unsynced_bytes_max = 200 * piece_size;
  bench.back_end->abort(true);
  bench.begin(1);
  auto& disk = bench.disk->disk();
  std::size_t told = 0;
  bench.arrivals->wake = [&] {
    if (told > 0 || !bench.arrivals->of("job0", 0)) return;
    ++told;
    // As the agent takes it over, at once: with a lease, and away.
    auto file = DiskFile::open(disk, "job0/000000", Open::read);
    REQUIRE(file);
    CHECK(disk.take_lease(file.value().handle()).value() == Lease::taken);
    disk.drop_lease(file.value().handle());
    disk.put_folder("elsewhere");
    REQUIRE(disk.rename("job0/000000", "elsewhere/a", Replace::no));
  };
  for (int piece = 0; piece < 64; ++piece) {
    for (int i = 0; i < 4; ++i) (void)bench.write(4 * piece + i);
    bench.run_ready();
    CHECK(told == 0);
    bench.arrivals->listener->piece_passed(nullptr, lt::piece_index_t{piece});
  }
  CHECK_FALSE(bench.write(3)->full);  // comes late, for a piece that is there: dropped
  bool released = false;
  bench.back_end->async_release_files(bench.torrents[0], [&] { released = true; });
  bench.run_until(released);
  CHECK(told == 1);
  auto const& trace = disk.trace();
  auto const file = std::find(trace.begin(), trace.end(), "sync job0/000000");
  auto const journal = std::find(file, trace.end(), "sync job0/journal");
  CHECK(journal != trace.end());
  CHECK(std::find(trace.begin(), trace.end(), "rename job0/000000 elsewhere/a") > journal);
  CHECK_FALSE(disk.facts_of("job0/000000"));
}

TEST_CASE("a file that is whole is told a moment later, without a batch's worth of bytes or its time") {
  Bench bench{0};
  bench.limits.batch_bytes = 100 * piece_size;
  bench.limits.unsynced_bytes_max = 200 * piece_size;
  bench.limits.whole_at_least_every = 1ms;
  bench.back_end->abort(true);
  bench.begin(1);
  for (int piece = 0; piece < 64; ++piece) {
    for (int i = 0; i < 4; ++i) (void)bench.write(4 * piece + i);
    bench.run_ready();
    CHECK_FALSE(bench.arrivals->of("job0", 0));
    bench.arrivals->listener->piece_passed(nullptr, lt::piece_index_t{piece});
  }
  auto const end = std::chrono::steady_clock::now() + 20s;
  while (!bench.arrivals->of("job0", 0)) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    bench.context.restart();
    bench.context.run_one_for(1s);
  }
  CHECK(bench.synced("job0/000000"));
}

TEST_CASE("of a batch that failed no file is told, and that the disk failed is") {
  for (bool const many : {false, true}) {
    CAPTURE(many);
    Bench bench{0};
    bench.limits.files_max = 100;
    bench.limits.batch_bytes = 100 * piece_size;
    bench.limits.unsynced_bytes_max = 200 * piece_size;
    if (many) {  // then one syncfs is cheaper
      bench.files = lt::file_storage{};
      bench.files.set_piece_length(piece_size);
      for (int i = 0; i < 64; ++i) bench.files.add_file("files/" + std::to_string(i), piece_size);
      bench.files.set_num_pieces(64);
    }
    bench.back_end->abort(true);
    bench.begin(1);
    for (int piece = 0; piece < 64; ++piece) {
      for (int i = 0; i < 4; ++i) (void)bench.write(4 * piece + i);
      bench.run_ready();
      bench.arrivals->listener->piece_passed(nullptr, lt::piece_index_t{piece});
    }
    bench.disk->fail_syncs(true);
    bool released = false;
    bench.back_end->async_release_files(bench.torrents[0], [&] { released = true; });
    bench.run_until(released);
    bench.disk->fail_syncs(false);
    CHECK_FALSE(bench.arrivals->of("job0", 0));
    REQUIRE(bench.arrivals->broken("job0"));
    CHECK(bench.arrivals->broken("job0")->payload_unsure);
    CHECK(bench.arrivals->is_in_use("job0"));
    bench.torrents.clear();
    bench.run_ready();
    CHECK_FALSE(bench.arrivals->is_in_use("job0"));
    CHECK_FALSE(bench.arrivals->of("job0", 0));
  }
}

TEST_CASE("a journal that finds no room ends the torrent, and its payload is sure still") {
  Bench bench;
  for (int i = 0; i < 4; ++i) (void)bench.write(i);
  bench.run_ready();
  bench.disk->fill("job0/journal");
  bench.arrivals->listener->piece_passed(nullptr, lt::piece_index_t{0});
  bool released = false;
  bench.back_end->async_release_files(bench.torrents[0], [&] { released = true; });
  bench.run_until(released);
  auto const failure = bench.arrivals->broken("job0");
  REQUIRE(failure);
  CHECK(failure->error.code == Code::no_space);
  CHECK_FALSE(failure->payload_unsure);
  CHECK(bench.synced("job0/000000"));
  auto const after = bench.write(8);
  bench.run_until(after->answered);
  CHECK(after->error);
}

TEST_CASE("a folder is in use until its last batch has ended") {
  Bench bench;
  bench.disk->hold_syncs(true);
  (void)bench.write(0);
  bench.torrents.clear();
  bench.run_ready();
  CHECK(bench.arrivals->is_in_use("job0"));
  bench.disk->hold_syncs(false);
  auto const end = std::chrono::steady_clock::now() + 20s;
  while (bench.arrivals->is_in_use("job0")) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    bench.context.restart();
    bench.context.run_one_for(1s);
  }
  CHECK(bench.synced("job0/000000"));
}
