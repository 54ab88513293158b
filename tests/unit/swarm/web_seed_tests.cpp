// Web seeds of every habit, alone and beside peers: all comes home, or what can, with the reason; nothing hangs.
#include <signal.h>

#include <algorithm>

#include "fetchers/torrents/metainfo.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;
using nlohmann::json;

namespace {

constexpr std::size_t large = 3'000'000;

/// Files whose names and sizes a web seed must get right; piece after piece shared by two of them in v1.
struct Fixture {
  World world;
  Fixture() {
    world.make_payload(large);
    write_file(world.folder() / "payload" / "second large & odd #1 %41?.bin", random_bytes(700'001, 7));
    world.settings.allowed = {{"127.0.0.4", "127.0.0.5", std::nullopt}};
  }
  Program& serve(json const& habits, std::string const& listen = "127.0.0.4:0") {
    world.programs.push_back(std::make_unique<Program>(
        "web_seed.py",
        std::vector{world.folder().string(), std::string{"--listen"}, listen, std::string{"--habits"}, habits.dump()}));
    auto const at = listen.substr(0, listen.find(':'));
    url = "http://" + at + ":" + std::to_string(world.programs.back()->line()["port"].get<int>());
    return *world.programs.back();
  }
  SwarmJob job(MadeTorrent const& torrent, std::vector<WebSeed> seeds) {
    auto job = world.job(torrent, {});
    job.torrent = contents(torrent.file);
    job.web_seeds = std::move(seeds);
    return job;
  }
  std::string url;  // of the last that serves
};

std::string end_of(Heard const& heard) {
  return heard.failed ? heard.failed->reason + " " + heard.failed->detail : std::string{"no end"};
}

/// Downloads from these web seeds alone, and finds everything.
Heard all_comes(Fixture& fixture, MadeTorrent const& torrent, std::vector<WebSeed> seeds) {
  auto const job = fixture.job(torrent, std::move(seeds));
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto heard = listen(*swarm, 60s);
  REQUIRE_MESSAGE(heard.done, end_of(heard));
  CHECK(heard.done->uploaded_payload == 0);
  CHECK(heard.done->downloaded_payload >= large + 700'001);
  CHECK(heard.done->pieces_read_back == 0);
  fixture.world.check_files(job, heard);
  std::filesystem::remove_all(fixture.world.staging() / job.folder);
  return heard;
}

/// Ends without the named files, and with all the others that share no piece with them.
Heard comes_without(Fixture& fixture, MadeTorrent const& torrent, std::vector<WebSeed> seeds,
                    std::vector<std::string> const& without) {
  auto const job = fixture.job(torrent, std::move(seeds));
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto heard = listen(*swarm, 60s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "no_peers");
  for (auto const& file : heard.files) {
    INFO(file.path_bytes);
    CHECK(contents(fixture.world.staging() / job.folder / file.staged_path) ==
          contents(fixture.world.folder() / file.path_bytes));
    for (auto const& name : without) CHECK_FALSE(file.path_bytes.ends_with(name));
  }
  return heard;
}

}  // namespace

TEST_CASE("web seeds alone: v1, v2 and hybrid come home bit for bit") {
  if (!have_peers()) return;
  Fixture fixture;
  auto& server = fixture.serve({});
  for (std::string const version : {"v1", "v2", "hybrid"}) {
    INFO(version);
    auto const heard = all_comes(fixture, fixture.world.torrent(version), {{fixture.url + "/"}});
    REQUIRE(heard.tried);
    REQUIRE(heard.tried->web_seeds.size() == 1);
    CHECK(heard.tried->web_seeds[0].url == fixture.url + "/");
    CHECK(heard.tried->web_seeds[0].bytes >= large + 700'001);
    CHECK(heard.tried->web_seeds[0].failures == 0);
    CHECK(heard.tried->web_seeds[0].last == "");
  }
  auto const said = server.stop("requests");
  CHECK(said["requests"].size() <= 3 * 4);  // a file each, in runs
  std::uint64_t const payload = large + 700'001 + 40'000 + 9;
  CHECK(said["bytes"] == 3 * payload);  // nothing twice
}

TEST_CASE("web seeds: a single file has its own URL, or stands in a folder") {
  if (!have_peers()) return;
  Fixture fixture;
  std::filesystem::remove_all(fixture.world.folder() / "payload");
  write_file(fixture.world.folder() / "payload", random_bytes(500'000, 3));
  fixture.serve({});
  for (std::string const version : {"v1", "v2", "hybrid"}) {
    auto const torrent = fixture.world.torrent(version);
    for (std::string const& url : std::vector<std::string>{fixture.url + "/payload", fixture.url + "/"}) {
      INFO(version << " " << url);
      auto const job = fixture.job(torrent, {{url}});
      auto swarm = fixture.world.swarm();
      REQUIRE(swarm->add(job));
      auto const heard = listen(*swarm);
      REQUIRE_MESSAGE(heard.done, end_of(heard));
      REQUIRE(heard.files.size() == 1);
      CHECK(contents(fixture.world.staging() / job.folder / heard.files[0].staged_path) ==
            contents(fixture.world.folder() / "payload"));
      std::filesystem::remove_all(fixture.world.staging() / job.folder);
    }
  }
}

TEST_CASE("web seeds: 302 to another host and another prefix, for each file") {
  if (!have_peers()) return;
  Fixture fixture;
  fixture.serve({{"strip", "/N/items"}}, "127.0.0.5:0");
  auto& front = fixture.serve({{"to", fixture.url + "/N/items"}});
  all_comes(fixture, fixture.world.torrent("hybrid"), {{fixture.url + "/"}});
  auto const said = front.stop("requests");
  CHECK(said["requests"].size() == 4);  // each file once, and no bouncing
}

TEST_CASE("P5: a web seed's redirect to an address that is not allowed leads nowhere") {
  if (!have_peers()) return;
  Fixture fixture;
  auto& inside = fixture.serve({}, "127.0.0.6:0");
  fixture.serve({{"to", fixture.url}});
  auto const job = fixture.job(fixture.world.torrent("v1"), {{fixture.url + "/"}});
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "no_peers");
  CHECK(heard.failed->detail.find("not public") != std::string::npos);
  CHECK(inside.stop("requests")["requests"].empty());
}

TEST_CASE("web seeds: one file is not there, and the others are whole") {
  if (!have_peers()) return;
  Fixture fixture;
  auto& server = fixture.serve({{"gone", {"second.eml"}}});
  auto const heard = comes_without(fixture, fixture.world.torrent("hybrid"), {{fixture.url + "/"}}, {"second.eml"});
  CHECK(heard.files.size() == 5);
  CHECK(heard.failed->detail.find("1 file is not there (payload/mail/second.eml)") != std::string::npos);
  auto const said = server.stop("requests");
  auto const asked = std::count_if(said["requests"].begin(), said["requests"].end(), [](json const& one) {
    return one[0].get<std::string>().find("second.eml") != std::string::npos;
  });
  CHECK(asked == 1);  // remembered
}

TEST_CASE("web seeds: what one lacks another has") {
  if (!have_peers()) return;
  Fixture fixture;
  fixture.serve({{"gone", {"large.bin"}}}, "127.0.0.5:0");
  auto const first = fixture.url;
  fixture.serve({{"gone", {"second.eml", "line"}}});
  all_comes(fixture, fixture.world.torrent("hybrid"), {{first + "/"}, {fixture.url + "/"}});
}

TEST_CASE("web seeds: a server without ranges") {
  if (!have_peers()) return;
  Fixture fixture;
  auto& server = fixture.serve({{"no_ranges", true}});
  all_comes(fixture, fixture.world.torrent("v1"), {{fixture.url + "/"}});
  CHECK(server.stop("requests")["requests"].size() <= 8);
}

TEST_CASE("web seeds: a changed file is told, and everything else comes") {
  if (!have_peers()) return;
  for (bool const same_size : {true, false}) {
    INFO(same_size);
    Fixture fixture;
    auto const torrent = fixture.world.torrent("hybrid");
    auto const path = fixture.world.folder() / "payload" / "large.bin";
    auto const before = contents(path);
    auto changed = before;
    if (same_size)
      for (std::size_t i = 1'000'000; i < changed.size(); i += 1'000) changed[i] = static_cast<char>(changed[i] ^ 1);
    else
      changed += "more";
    write_file(path, changed);
    auto& server = fixture.serve({});
    auto const heard = comes_without(fixture, torrent, {{fixture.url + "/"}}, {"large.bin"});
    CHECK(heard.files.size() == 5);
    CHECK(heard.failed->detail.find("1 file differs from the torrent (payload/large.bin)") != std::string::npos);
    CHECK(server.stop("requests")["bytes"].get<std::uint64_t>() < 2 * before.size() + 800'000);  // not for ever
  }
}

TEST_CASE("web seeds: a script of BEP 17") {
  if (!have_peers()) return;
  Fixture fixture;
  auto const torrent = fixture.world.torrent("v1", {"--piece-size", "262144"});
  auto& server = fixture.serve({{"script", torrent.file}});
  all_comes(fixture, torrent, {{fixture.url + "/seed.php", true}});
  auto const requests = server.stop("requests")["requests"];
  CHECK(requests.size() == (large + 700'001 + 40'009 + 262'143) / 262'144);
  CHECK(requests[0][0].get<std::string>().starts_with("/seed.php?info_hash=%"));
}

TEST_CASE("web seeds: entries that are only a path, and padding that has only a name") {
  if (!have_peers()) return;
  Fixture fixture;
  auto& server = fixture.serve({{"strip", "/1/items"}, {"gone", {"padding_file"}}});
  write_file(fixture.world.folder() / "payload" / ".____padding_file" / "0", std::string(4'321, '\0'));
  auto const torrent = fixture.world.torrent("v1");
  // The first host has nothing of it any more.
  auto const job = fixture.job(
      torrent,
      {{"http://127.0.0.5:" + std::to_string(closed_port()) + "/gone/"}, {fixture.url + "/elsewhere/"}, {"/1/items/"}});
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE_MESSAGE(heard.done, end_of(heard));
  fixture.world.check_files(job, heard);
  CHECK(server.stop("requests")["requests"].size() > 4);
}

TEST_CASE("web seeds: a server that drips ends with its job's deadline, and what came is kept") {
  if (!have_peers()) return;
  Fixture fixture;
  auto const torrent = fixture.world.torrent("v1");
  fixture.serve({{"drip", 40}});
  auto job = fixture.job(torrent, {{fixture.url + "/"}});
  job.idle_timeout_s = 3;
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 30s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "deadline");
}

TEST_CASE("web seeds: a server that goes in the middle, and comes back") {
  if (!have_peers()) return;
  Fixture fixture;
  auto const torrent = fixture.world.torrent("hybrid");
  auto& first = fixture.serve({{"leave_after", 1'500'000}});
  auto const job = fixture.job(torrent, {{fixture.url + "/"}});
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  // It is back as soon as it was missed.
  first.line_with("left");
  auto& again = fixture.serve({}, fixture.url.substr(7));
  auto const heard = listen(*swarm, 60s);
  REQUIRE_MESSAGE(heard.done, end_of(heard));
  fixture.world.check_files(job, heard);
  CHECK(again.stop("requests")["bytes"].get<std::uint64_t>() < large);  // only the rest
}

TEST_CASE("web seeds: 503 is believed, and asked again") {
  if (!have_peers()) return;
  Fixture fixture;
  auto& server = fixture.serve({{"refuse", 2}, {"retry_after", 1}});
  all_comes(fixture, fixture.world.torrent("v1"), {{fixture.url + "/"}});
  auto const requests = server.stop("requests")["requests"];
  CHECK(requests[0][2] == 503);
  CHECK(requests[1][2] == 503);
}

TEST_CASE("web seeds: answers that are of no use end it with a reason") {
  if (!have_peers()) return;
  struct Row {
    json habits;
    char const* detail;
  };
  for (Row const& row :
       {Row{{{"other_ranges", true}}, "other bytes than those that were asked for"},
        Row{{{"coded", true}}, "files differ from the torrent"}, Row{{{"gone", {"/"}}}, "files are not there"}}) {
    INFO(row.detail);
    Fixture fixture;
    fixture.serve(row.habits);
    auto const heard = comes_without(fixture, fixture.world.torrent("v1"), {{fixture.url + "/"}}, {});
    CHECK_MESSAGE(heard.failed->detail.find(row.detail) != std::string::npos, heard.failed->detail);
  }
}

TEST_CASE("web seeds and peers share the work") {
  if (!have_peers()) return;
  Fixture fixture;
  write_file(fixture.world.folder() / "payload" / "larger.bin", random_bytes(24'000'000, 9));
  fixture.serve({{"drip", 3'000'000}});
  auto const torrent = fixture.world.torrent("v1", {"--piece-size", "262144"});
  auto job = fixture.job(torrent, {{fixture.url + "/"}});
  job.peers = {fixture.world.seed(torrent, {"--rate", "4000000"})};
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm);
  REQUIRE_MESSAGE(heard.done, end_of(heard));
  fixture.world.check_files(job, heard);
  REQUIRE(heard.tried);
  REQUIRE(heard.tried->web_seeds.size() == 1);
  CHECK(heard.tried->web_seeds[0].bytes > 1'000'000);
  CHECK(heard.tried->web_seeds[0].bytes < 24'000'000);
  CHECK(heard.done->downloaded_payload < 32'000'000);  // hardly anything by both
}

TEST_CASE("a web seed that needs longer for a piece than the deadline is no silent one") {
  if (!have_peers()) return;
  Fixture fixture;
  auto const torrent = fixture.world.torrent("v1", {"--piece-size", "1048576"});
  fixture.serve({{"drip", 200'000}});
  auto job = fixture.job(torrent, {{fixture.url + "/"}});
  job.idle_timeout_s = 2;
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  std::uint64_t most = 0;
  auto const heard = listen(*swarm, 30s, [&](SwarmEvent const& event) {
    if (auto const* progress = std::get_if<Progress>(&event)) most = std::max(most, progress->downloaded);
    return most > 0;
  });
  CHECK_FALSE(heard.failed);
  CHECK(most > 0);
}

TEST_CASE("a magnet's web seeds help once its metadata is there") {
  if (!have_peers()) return;
  Fixture fixture;
  auto const torrent = fixture.world.torrent("hybrid");
  fixture.serve({});
  // A peer that gives metadata and hardly any payload.
  auto job = fixture.world.job(torrent, {fixture.world.seed(torrent, {"--rate", "20000"})});
  job.web_seeds = {{fixture.url + "/"}};
  auto swarm = fixture.world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 50s);
  REQUIRE_MESSAGE(heard.done, end_of(heard));
  fixture.world.check_files(job, heard);
  REQUIRE(heard.tried);
  REQUIRE(heard.tried->web_seeds.size() == 1);
  CHECK(heard.tried->web_seeds[0].bytes > 2'000'000);
}
