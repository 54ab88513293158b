// What the worker brings home is bit for bit what was seeded.
#include <signal.h>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/metainfo.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

TEST_CASE("magnets of v1, v2 and hybrid torrents come home bit for bit") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v1", "v2", "hybrid"}) {
    INFO(version);
    World world;
    world.make_payload(3'000'000);
    auto const torrent = world.torrent(version);
    auto const job = world.job(torrent, {world.seed(torrent)});
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm);
    REQUIRE_MESSAGE(heard.done,
                    (heard.failed ? heard.failed->reason + " " + heard.failed->detail : std::string{"no end"}));
    CHECK(heard.done->uploaded_payload == 0);
    CHECK(heard.done->downloaded_payload >= 3'000'000);
    CHECK(heard.done->pieces_read_back == 0);
    CHECK(heard.done->pieces_rechecked == 0);
    MESSAGE(version << ": read back " << heard.done->pieces_read_back);
    for (auto const& file : heard.files) {
      CHECK(file.sha256 == sha256(bytes_of(contents(world.staging() / job.folder / file.staged_path))));
    }
    REQUIRE(heard.info);
    auto const read = read_info_dict(*heard.info, MetainfoLimits{}).value();
    CHECK(same_torrent(read.hashes, torrent.hashes));
    world.check_files(job, heard);
    for (auto const& file : heard.files) {
      CHECK(read.files.at(file.index).path_bytes == file.path_bytes);
      CHECK(read.files.at(file.index).size == file.size);
    }
    swarm->stop();
    auto const after = listen(*swarm, 5s);
    REQUIRE(after.ended);
    CHECK(after.ended->expected);
    CHECK(after.ended->ending == Ending{false, 0});
    CHECK(after.ended->error_tail == "");
  }
}

TEST_CASE("a hybrid comes home by either hash alone, and a single file has no folder") {
  if (!have_peers()) return;
  World world;
  write_file(world.folder() / "payload", random_bytes(500'000, 3));
  auto const torrent = world.torrent("hybrid");
  auto const seed = world.seed(torrent);
  for (bool const v1 : {true, false}) {
    auto job = world.job(torrent, {seed});
    (v1 ? job.hashes.v2.reset() : job.hashes.v1.reset());
    job.folder = v1 ? "by-v1" : "by-v2";
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm);
    REQUIRE(heard.done);
    REQUIRE(heard.files.size() == 1);
    CHECK(heard.files[0].path_bytes == "payload");
    CHECK(contents(world.staging() / job.folder / heard.files[0].staged_path) == contents(world.folder() / "payload"));
  }
}

TEST_CASE("a .torrent is taken without asking peers for metadata") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v1", "v2", "hybrid"}) {
    World world;
    world.make_payload(200'000);
    auto const torrent = world.torrent(version);
    auto job = world.job(torrent, {world.seed(torrent)});
    job.torrent = contents(torrent.file);
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm);
    REQUIRE(heard.done);
    CHECK_FALSE(heard.info);
    world.check_files(job, heard);
  }
}

TEST_CASE("metadata alone is enough when it was all that was asked for") {
  if (!have_peers()) return;
  World world;
  world.make_payload(200'000);
  auto const torrent = world.torrent("v1");
  auto job = world.job(torrent, {world.seed(torrent)});
  job.metadata_only = true;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE(heard.done);
  REQUIRE(heard.info);
  CHECK(hex(sha1(bytes_of(*heard.info))) == hex(*torrent.hashes.v1));
  CHECK(heard.files.empty());
}

TEST_CASE("peers come from a tracker, too") {
  if (!have_peers()) return;
  World world;
  world.make_payload(200'000);
  auto const torrent = world.torrent("v1");
  auto const seed = world.seed(torrent);
  Program tracker{"tracker.py", {"--listen", "127.0.0.4:0", "--peer", endpoint_text(seed)}};
  auto const port = tracker.line()["port"].get<std::uint16_t>();
  auto job = world.job(torrent, {});
  job.trackers = {"http://127.0.0.4:" + std::to_string(port) + "/announce"};
  world.settings.allowed = {{"127.0.0.4", "127.0.0.4", port}, {"127.0.0.2", "127.0.0.2", std::nullopt}};
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE(heard.done);
  world.check_files(job, heard);
  CHECK(tracker.stop("announces")["announces"].get<int>() >= 1);
}

TEST_CASE("P1: a worker that is killed says so, and the next one goes on with what is there") {
  if (!have_peers()) return;
  World world;
  world.make_payload(6'000'000);
  auto const torrent = world.torrent("v1");
  auto const job = world.job(torrent, {world.seed(torrent, {"--rate", "1500000"})});
  {
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    listen(*swarm, 60s, [](SwarmEvent const& event) {
      auto const* progress = std::get_if<Progress>(&event);
      return progress != nullptr && progress->downloaded > 1'500'000;
    });
    REQUIRE(::kill(swarm->worker(), SIGKILL) == 0);
    auto const heard = listen(*swarm, 20s);
    REQUIRE(heard.ended);
    CHECK(heard.ended->ending == Ending{true, SIGKILL});
    CHECK_FALSE(heard.ended->expected);
    CHECK_FALSE(swarm->next(0ms).value());
    CHECK(swarm->add(job).has_error());
  }
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE(heard.done);
  CHECK(heard.done->downloaded_payload < 5'000'000);
  world.check_files(job, heard);
}

TEST_CASE("what is there already is checked and told without a peer's help") {
  if (!have_peers()) return;
  World world;
  world.make_payload(300'000);
  auto const torrent = world.torrent("hybrid");
  auto job = world.job(torrent, {world.seed(torrent)});
  job.torrent = contents(torrent.file);
  auto first = world.swarm();
  REQUIRE(first->add(job));
  REQUIRE(listen(*first).done);
  first.reset();  // one worker at a time has the folder
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE(heard.done);
  CHECK(heard.done->downloaded_payload == 0);
  world.check_files(job, heard);
}

TEST_CASE("a job is paused, resumed and removed") {
  if (!have_peers()) return;
  World world;
  world.make_payload(4'000'000);
  auto const torrent = world.torrent("v1");
  auto const job = world.job(torrent, {world.seed(torrent, {"--rate", "1000000"})});
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const state_is = [](std::string const& word) {
    return [word](SwarmEvent const& event) {
      auto const* progress = std::get_if<Progress>(&event);
      return progress != nullptr && progress->state == word && (word != "downloading" || progress->downloaded > 0);
    };
  };
  listen(*swarm, 30s, state_is("downloading"));
  REQUIRE(swarm->pause("job"));
  listen(*swarm, 30s, state_is("paused"));
  REQUIRE(swarm->resume("job"));
  listen(*swarm, 30s, state_is("downloading"));
  REQUIRE(swarm->remove("job"));
  auto const heard = listen(*swarm, 30s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "cancelled");
  CHECK(heard.failed->downloaded > 0);
  CHECK(heard.failed->uploaded == 0);
  // The same name may be used again.
  REQUIRE(swarm->add(job));
  REQUIRE(swarm->remove("job"));
  CHECK(listen(*swarm, 30s).failed);
}

TEST_CASE("a v2 torrent whose folder holds one file keeps the folder's name, though libtorrent drops it") {
  if (!have_peers()) return;
  for (std::size_t const size : {9u, 100'000u}) {
    INFO(size);
    World world;
    write_file(world.folder() / "payload" / "list.csv", random_bytes(size, 3));
    write_file(world.folder() / "list.csv", random_bytes(size, 3));  // where libtorrent 2.0.8 as a seed looks for it
    auto const torrent = world.torrent("v2");
    auto const job = world.job(torrent, {world.seed(torrent)});
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm, 30s);
    REQUIRE(heard.done);
    world.check_files(job, heard);
  }
}
