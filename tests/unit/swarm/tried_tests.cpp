// Whom a job asked: told before its end, bounded, and a tracker that fails is asked again.
#include "fetchers/torrents/tried_message.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

TEST_CASE("a tracker that fails is asked again, and both stand in what was tried") {
  if (!have_peers()) return;
  World world;
  world.make_payload(100'000);
  auto const torrent = world.torrent("v1");
  auto const seed = world.seed(torrent);
  auto const works = (world.folder() / "works").string();
  Program tracker{"tracker.py", {"--listen", "127.0.0.4:0", "--peer", endpoint_text(seed), "--refuse-until", works}};
  auto const port = tracker.line()["port"].get<std::uint16_t>();
  auto job = world.job(torrent, {});
  job.trackers = {"http://127.0.0.4:" + std::to_string(port) + "/announce"};
  world.settings.allowed = {{"127.0.0.4", "127.0.0.4", port}, {"127.0.0.2", "127.0.0.2", std::nullopt}};
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  CHECK(tracker.line_with("refused")["refused"] == 1);
  write_file(works, "now");
  Tried tried;
  auto const heard = listen(*swarm, 120s, [&](SwarmEvent const& event) {
    if (auto const* one = std::get_if<Tried>(&event)) tried = *one;
    return false;
  });
  REQUIRE(heard.done);
  REQUIRE(tried.trackers.size() == 1);
  CHECK(tried.trackers[0].url == job.trackers[0]);
  CHECK(tried.trackers[0].failures >= 1);
  CHECK(tried.trackers[0].answers >= 1);
  CHECK(tried.trackers[0].peers == 1);
  CHECK(tried.peers_reached >= 1);
}

TEST_CASE("P6: what was tried reads back as it was, and is bounded") {
  Tried asked{"job", {{"udp://\xff", 1, 2, 3, "timed out"}}, {{"http://\xff/", 7, 8, 9, "gone"}}, 4, 5, 6};
  auto const read = from_worker_from(to_frame(FromWorker{asked}));
  REQUIRE(read);
  auto const& tried = std::get<Tried>(read.value());
  CHECK(tried.trackers[0].url == "udp://\xff");
  CHECK(tried.trackers[0].failures == 2);
  CHECK(tried.trackers[0].last == "timed out");
  CHECK(tried.peers_lost == 6);
  REQUIRE(tried.web_seeds.size() == 1);
  CHECK(tried.web_seeds[0].url == "http://\xff/");
  CHECK(tried.web_seeds[0].pieces == 7);
  CHECK(tried.web_seeds[0].bytes == 8);
  CHECK(tried.web_seeds[0].failures == 9);
  CHECK(tried.web_seeds[0].last == "gone");
  asked.trackers[0].last = std::string(tried_last_bytes_max + 1, 'x');
  CHECK_FALSE(from_worker_from(to_frame(FromWorker{asked})));
  asked.trackers.assign(tried_trackers_max, TriedTracker{});
  CHECK(from_worker_from(to_frame(FromWorker{asked})));
  asked.web_seeds.assign(tried_web_seeds_max + 1, TriedWebSeed{});
  CHECK_FALSE(from_worker_from(to_frame(FromWorker{asked})));
  asked.web_seeds.clear();
  asked.trackers.assign(tried_trackers_max + 1, TriedTracker{});
  CHECK_FALSE(from_worker_from(to_frame(FromWorker{asked})));
}
