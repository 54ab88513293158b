// A worker that is killed in the middle, again and again: what comes home is what was seeded.
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "tests/support/counts.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

TEST_CASE("P1: a worker killed at random moments brings every file home, with the digest of its bytes") {
  if (!have_peers()) return;
  constexpr std::size_t files = 200;
  std::size_t const kills_wanted = full_counts() ? 140 : 14;
  World world;
  for (std::size_t i = 0; i < files; ++i)
    write_file(world.folder() / "payload" / std::to_string(i), random_bytes(1 + i * 97, static_cast<unsigned>(i)));
  std::mt19937 random{20};
  std::size_t kills = 0;
  std::uint64_t rechecked = 0;
  std::uint64_t from_journal = 0;
  std::vector<MadeTorrent> const torrents{world.torrent("v1"), world.torrent("v2"), world.torrent("hybrid")};
  std::vector<PeerAddress> seeds;
  for (auto const& torrent : torrents) seeds.push_back(world.seed(torrent, {"--rate", "4000000"}));
  for (std::size_t round = 0; kills < kills_wanted; ++round) {
    auto const which = round % torrents.size();
    auto job = world.job(torrents[which], {seeds[which]});
    job.id = job.folder = "job" + std::to_string(round);
    if (round % 4 != 3) job.torrent = contents(torrents[which].file);  // else by magnet
    Heard heard;
    for (unsigned tries = 0; !heard.done; ++tries) {
      INFO("round " << round << ", try " << tries);
      REQUIRE(tries < 20);
      auto swarm = world.swarm();
      REQUIRE(swarm->add(job));
      // The last of them may come after the end: then it is one kill less.
      std::size_t left = tries < 5 && kills < kills_wanted ? 1 + random() % (files + 20) : 0;
      heard = listen(*swarm, 120s, [&](SwarmEvent const& event) {
        bool const moved = std::holds_alternative<FileDone>(event) || std::holds_alternative<Progress>(event);
        if (left == 0 || !moved || --left > 0) return false;
        ::kill(swarm->worker(), SIGKILL);
        ++kills;
        return true;
      });
      REQUIRE_MESSAGE(!heard.failed, heard.failed->reason << ": " << heard.failed->detail);
    }
    world.check_files(job, heard);
    for (auto const& file : heard.files)
      CHECK(file.sha256 == sha256(bytes_of(contents(world.staging() / job.folder / file.staged_path))));
    CHECK(heard.done->uploaded_payload == 0);
    CHECK(heard.done->pieces_read_back == 0);
    rechecked += heard.done->pieces_rechecked;
    from_journal += heard.done->pieces_from_journal;
    std::filesystem::remove_all(world.staging() / job.folder);
  }
  MESSAGE("killed " << kills << " times; pieces read again " << rechecked << ", taken from the journal "
                    << from_journal);
}

namespace {

/// Kills a process after a time, unless it is gone before.
class LateKill {
 public:
  LateKill(pid_t process, std::chrono::milliseconds after)
      : thread_([this, process, after](std::stop_token stop) {
          std::unique_lock lock{mutex_};
          if (!changed_.wait_for(lock, stop, after, [] { return false; }) && !stop.stop_requested())
            ::kill(process, SIGKILL);
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("P1: killed within and between batches, a worker's successor goes on from the journal") {
  if (!have_peers()) return;
  constexpr std::uint64_t piece_bytes = 256u << 10;
  constexpr std::uint64_t batches_bytes = 64u << 20;  // as many as may not be on the medium yet
  std::size_t const kills_wanted = full_counts() ? 60 : 6;
  World world;
  auto const large = random_bytes(200'000'000, 1);
  write_file(world.folder() / "payload" / "large.bin", large);
  write_file(world.folder() / "payload" / "small.eml", random_bytes(40'000, 2));
  std::vector<MadeTorrent> const torrents{world.torrent("v1", {"--piece-size", std::to_string(piece_bytes)}),
                                          world.torrent("hybrid", {"--piece-size", std::to_string(piece_bytes)})};
  std::vector<PeerAddress> seeds;
  for (auto const& torrent : torrents) seeds.push_back(world.seed(torrent, {"--rate", "400000000"}));
  std::mt19937 random{21};
  std::size_t kills = 0;
  std::uint64_t rechecked_most = 0;
  std::uint64_t from_journal = 0;
  for (std::size_t round = 0; kills < kills_wanted; ++round) {
    auto job = world.job(torrents[round % 2], {seeds[round % 2]});
    job.id = job.folder = "job" + std::to_string(round);
    job.torrent = contents(torrents[round % 2].file);
    Heard heard;
    for (unsigned tries = 0; !heard.done; ++tries) {
      INFO("round " << round << ", try " << tries);
      REQUIRE(tries < 20);
      auto swarm = world.swarm();
      REQUIRE(swarm->add(job));
      std::optional<LateKill> kill;
      bool const kill_it = tries < 5 && kills < kills_wanted;
      heard = listen(*swarm, 120s, [&](SwarmEvent const& event) {
        auto const* progress = std::get_if<Progress>(&event);
        if (kill_it && !kill && progress != nullptr && progress->peers > 0)
          kill.emplace(swarm->worker(), std::chrono::milliseconds{random() % 1'200});
        return false;
      });
      REQUIRE_MESSAGE(!heard.failed, heard.failed->reason << ": " << heard.failed->detail);
      if (!heard.done) ++kills;
    }
    world.check_files(job, heard);
    for (auto const& file : heard.files)
      CHECK(file.sha256 == sha256(bytes_of(contents(world.staging() / job.folder / file.staged_path))));
    CHECK(heard.done->pieces_read_back == 0);
    CHECK(heard.done->pieces_rechecked * piece_bytes <= batches_bytes + 8 * piece_bytes);
    rechecked_most = std::max(rechecked_most, heard.done->pieces_rechecked);
    from_journal += heard.done->pieces_from_journal;
    std::filesystem::remove_all(world.staging() / job.folder);
  }
  CHECK(from_journal > 0);
  MESSAGE("killed " << kills << " times; pieces of 256 KiB read again by the last successor: at most " << rechecked_most
                    << ", taken from the journal " << from_journal);
}

TEST_CASE("P1: two magnets of one hybrid go on over what an earlier worker left of it") {
  if (!have_peers()) return;
  World world;
  auto const large = random_bytes(120'000'000, 3);
  write_file(world.folder() / "payload" / "large.bin", large);
  auto const torrent = world.torrent("hybrid", {"--piece-size", std::to_string(256u << 10)});
  auto const seed = world.seed(torrent, {"--rate", "50000000"});
  for (bool const by_v1 : {true, false}) {
    INFO("the earlier worker had it by " << (by_v1 ? "v1" : "v2"));
    auto older = world.job(torrent, {seed});
    older.id = older.folder = by_v1 ? "older-v1" : "older-v2";
    by_v1 ? older.hashes.v2.reset() : older.hashes.v1.reset();
    auto const journal = world.staging() / older.folder / "journal";
    {
      auto swarm = world.swarm();
      REQUIRE(swarm->add(older));
      auto const heard = listen(*swarm, 60s, [&](SwarmEvent const&) {
        std::error_code missing;
        // What was begun makes a few KiB: these are hashes of what a batch has brought to the medium.
        if (auto const size = std::filesystem::file_size(journal, missing); missing || size < 100'000) return false;
        ::kill(swarm->worker(), SIGKILL);
        return true;
      });
      REQUIRE_FALSE(heard.done);
    }
    auto younger = world.job(torrent, {seed});
    younger.id = younger.folder = "younger";
    by_v1 ? younger.hashes.v1.reset() : younger.hashes.v2.reset();
    older.peers = {operators_peer("127.0.0.1", closed_port())};
    auto swarm = world.swarm();
    REQUIRE(swarm->add(older));
    REQUIRE(swarm->add(younger));
    auto heard = listen(*swarm, 60s);
    REQUIRE(heard.failed);
    CHECK(heard.failed->job == younger.id);
    CHECK(heard.failed->reason == "cancelled");
    if (!heard.done) heard = listen(*swarm, 60s);
    REQUIRE(heard.done);
    CHECK(heard.done->job == older.id);
    CHECK(heard.done->pieces_from_journal >= 150);
    CHECK(heard.done->downloaded_payload < large.size());
    REQUIRE(heard.files.size() == 1);
    CHECK(heard.files[0].sha256 == sha256(bytes_of(large)));
    CHECK(contents(world.staging() / older.folder / heard.files[0].staged_path) == large);
  }
}
