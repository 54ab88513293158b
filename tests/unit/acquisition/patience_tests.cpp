// What nobody has yet is tried again, by the test's clock and with the real worker.
#include <map>

#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"
#include "tests/unit/acquisition/desk.h"

using namespace impound;
using namespace impound::agent;
using namespace impound::agent::test;
using namespace impound::fetchers::test;

namespace {

/// A torrent and the address at which nobody has it yet.
struct EmptySwarm {
  World world;
  MadeTorrent torrent;
  fetchers::PeerAddress peer;

  /// v2 lists its files in the order of their names.
  explicit EmptySwarm(std::string const& version = "v1") {
    write_file(world.folder() / "payload" / "a.eml", random_bytes(12 * 16384, 1));  // whole pieces
    write_file(world.folder() / "payload" / "b.eml", random_bytes(6 * 16384, 2));
    torrent = world.torrent(version);
    peer = world.seed(torrent);
    world.programs.back()->stop("uploaded");
    world.programs.clear();
  }

  void come_back() {
    world.programs.push_back(std::make_unique<Program>(
        "seeder.py", std::vector<std::string>{torrent.file, world.folder().string(), "--listen", endpoint_text(peer)}));
    REQUIRE(world.programs.back()->line()["port"].get<std::uint16_t>() == peer.port);
  }
};

std::int64_t gap_of(evidence::ReadEntry const& stalled) {
  auto const next = utc_us_from(stalled.text("next_try_utc").value_or(""));
  auto const told = utc_us_from(stalled.utc());
  REQUIRE(next);
  REQUIRE(told);
  return *next - *told;
}

}  // namespace

TEST_CASE("a swarm that is empty for an hour and then has one peer is acquired") {
  if (!have_peers()) return;
  EmptySwarm swarm;
  Desk desk{swarm.world};
  std::int64_t const begun = desk.clock.boot_us();
  REQUIRE(desk.acquisitions->begin(desk.wanted(swarm.torrent.hashes, swarm.peer)));
  desk.work_off();
  REQUIRE(desk.acquisitions->lying_by() == 1);
  CHECK(desk.acquisitions->progress().begin()->second.state == "waiting to be tried again");
  // Nothing happens before its time.
  for (auto const end = std::chrono::steady_clock::now() + 4s; std::chrono::steady_clock::now() < end;)
    REQUIRE(desk.acquisitions->pump(std::chrono::milliseconds{100}, -1));
  CHECK(desk.entries("acquisition.stalled").size() == 1);
  desk.pass(60 * Desk::minute);
  CHECK(desk.clock.boot_us() - begun >= 60 * Desk::minute);
  CHECK(desk.outcomes.empty());
  auto stalled = desk.entries("acquisition.stalled");
  // After 0, 1, 3, 7, 15 and 31 minutes, and a little for each try.
  REQUIRE(stalled.size() == 6);
  for (std::size_t i = 0; i < stalled.size(); ++i) {
    CHECK(stalled[i].text("reason") == "no_peers");
    CHECK(stalled[i].number("try") == i + 1);
    CHECK(stalled[i].body()["tried"]["peers_known"] == 1);
    CHECK(gap_of(stalled[i]) >= (Desk::minute << i) * 9 / 10);
    CHECK(gap_of(stalled[i]) <= (Desk::minute << i) * 11 / 10);
  }

  swarm.come_back();
  desk.pass(64 * Desk::minute, [&] { return !desk.outcomes.empty(); });
  REQUIRE(desk.outcomes.size() == 1);
  CHECK(desk.outcomes[0].state == "complete");
  CHECK(desk.entries("acquisition.attempt").size() == 1);
  CHECK(desk.entries("acquisition.result").size() == 1);
  std::map<std::string, std::string> sealed;
  for (auto const& exhibit : desk.payload())
    sealed[exhibit.body()["origin"]["path"].get<std::string>()] =
        contents(std::filesystem::path{desk.settings.vault} / "objects" /
                 exhibit.text("sha256").value_or("?").substr(0, 2) / exhibit.text("sha256").value_or("?"));
  CHECK(sealed.size() == 2);
  for (std::string const& name : std::vector<std::string>{"payload/a.eml", "payload/b.eml"})
    CHECK(sealed[name] == contents(swarm.world.folder() / name));
}

TEST_CASE("a whole file behind one that is missing does not lie by with it") {
  if (!have_peers()) return;
  EmptySwarm swarm{"v2"};
  auto const own = swarm.world.folder() / "held";
  std::filesystem::create_directories(own);
  std::filesystem::copy(swarm.world.folder() / "payload", own / "payload", std::filesystem::copy_options::recursive);
  std::filesystem::remove(own / "payload" / "a.eml");
  swarm.world.programs.push_back(std::make_unique<Program>(
      "seeder.py",
      std::vector<std::string>{swarm.torrent.file, own.string(), "--in-part", "--listen", endpoint_text(swarm.peer)}));
  swarm.world.programs.back()->line();
  Desk desk{swarm.world};
  Wanted wanted = desk.wanted(swarm.torrent.hashes, swarm.peer);
  wanted.timeout = std::chrono::seconds{8};  // some of which go by before a peer has given v2 hashes
  REQUIRE(desk.acquisitions->begin(std::move(wanted)));
  desk.work_off();
  auto const stalled = desk.entries("acquisition.stalled");
  REQUIRE(stalled.size() == 1);
  CHECK(stalled[0].text("reason") == "deadline");
  auto const early = desk.payload();
  REQUIRE(early.size() == 1);
  CHECK(early[0].body()["origin"]["path"] == "payload/b.eml");
  CHECK(early[0].index < stalled[0].index);

  swarm.world.programs.back()->stop("uploaded");
  swarm.come_back();
  desk.pass(3 * Desk::minute, [&] { return !desk.outcomes.empty(); });
  REQUIRE(desk.outcomes.size() == 1);
  CHECK(desk.outcomes[0].state == "complete");
  CHECK(desk.outcomes[0].files_sealed == 2);
  CHECK(desk.payload().size() == 2);
  CHECK(swarm.world.programs.back()->stop("uploaded")["uploaded"] < 250'000);
  // What came in all its tries is in the result.
  CHECK(desk.entries("acquisition.result")[0].number("downloaded_payload_bytes").value_or(0) >= 18 * 16384);
}

TEST_CASE("when patience is over it ends with the last reason, once") {
  if (!have_peers()) return;
  EmptySwarm swarm;
  Desk desk{swarm.world};
  desk.settings.patience = std::chrono::minutes{10};
  REQUIRE(desk.acquisitions->begin(desk.wanted(swarm.torrent.hashes, swarm.peer)));
  desk.work_off();
  desk.pass(9 * Desk::minute);
  CHECK(desk.outcomes.empty());
  desk.pass(5 * Desk::minute);
  REQUIRE(desk.outcomes.size() == 1);
  CHECK(desk.outcomes[0].reason == "no_peers");
  CHECK(desk.outcomes[0].state == "failed");
  auto const result = desk.entries("acquisition.result");
  REQUIRE(result.size() == 1);
  CHECK(result[0].index > desk.entries("acquisition.stalled").back().index);
  CHECK(desk.acquisitions->lying_by() == 0);
}

TEST_CASE("who waits in person hears of it at once, and so does who has no patience") {
  if (!have_peers()) return;
  EmptySwarm swarm;
  for (bool const person : {true, false}) {
    INFO(person);
    Desk desk{swarm.world};
    if (!person) desk.settings.patience = std::chrono::seconds{0};
    Wanted wanted = desk.wanted(swarm.torrent.hashes, swarm.peer);
    if (person) wanted.by = who(desk.settings);
    REQUIRE(desk.acquisitions->begin(std::move(wanted)));
    desk.work_off();
    REQUIRE(desk.outcomes.size() == 1);
    CHECK(desk.outcomes[0].reason == "no_peers");
    CHECK(desk.entries("acquisition.stalled").empty());
    desk.acquisitions.reset();
    desk.session.reset();
    std::filesystem::remove_all(desk.settings.vault);
    std::filesystem::remove(desk.settings.key_file);
  }
}

TEST_CASE("the next run tries at once and goes on with the gaps; patience is counted from the attempt") {
  if (!have_peers()) return;
  EmptySwarm swarm;
  Desk desk{swarm.world};
  desk.settings.patience = std::chrono::hours{3};
  REQUIRE(desk.acquisitions->begin(desk.wanted(swarm.torrent.hashes, swarm.peer)));
  desk.work_off();
  desk.pass(8 * Desk::minute);
  std::size_t const before = desk.entries("acquisition.stalled").size();
  REQUIRE(before >= 3);

  desk.clock.reboot("b0070000-0000-4000-8000-000000000002");
  desk.clock.advance(1'000'000);
  desk.begin_run();
  auto const taken_up = desk.acquisitions->take_up_open();
  REQUIRE(taken_up);
  CHECK(taken_up.value() == 1);
  CHECK_FALSE(desk.acquisitions->idle());  // no gap first
  desk.work_off();
  auto const stalled = desk.entries("acquisition.stalled");
  REQUIRE(stalled.size() == before + 1);
  CHECK(stalled.back().number("try") == before + 1);
  CHECK(gap_of(stalled.back()) >= (Desk::minute << before) * 9 / 10);
  desk.pass(3 * 60 * Desk::minute, [&] { return !desk.outcomes.empty(); });
  REQUIRE(desk.outcomes.size() == 1);
  CHECK(desk.outcomes[0].reason == "no_peers");
  // Three hours since the attempt, of which this run had less.
  CHECK(desk.clock.boot_us() < 3 * 60 * Desk::minute - 5 * Desk::minute);
  CHECK(desk.entries("acquisition.attempt").size() == 1);
}

TEST_CASE("named again by a source, it is tried again soon") {
  if (!have_peers()) return;
  EmptySwarm swarm;
  Desk desk{swarm.world};
  REQUIRE(desk.acquisitions->begin(desk.wanted(swarm.torrent.hashes, swarm.peer)));
  desk.work_off();
  desk.pass(20 * Desk::minute);
  std::size_t const before = desk.entries("acquisition.stalled").size();
  auto const begun = desk.acquisitions->begin(desk.wanted(swarm.torrent.hashes, swarm.peer));
  REQUIRE(begun);
  CHECK(begun.value().running_already);
  desk.work_off();
  CHECK(desk.entries("acquisition.stalled").size() == before + 1);
}

TEST_CASE("metadata that brings the other hash of a torrent that is held ends it without payload") {
  if (!have_peers()) return;
  World world;
  write_file(world.folder() / "payload" / "a.eml", random_bytes(12 * 16384, 1));
  auto const torrent = world.torrent("hybrid");
  auto const peer = world.seed(torrent);
  Desk desk{world};
  EntryId const result = desk.session->new_id();
  desk.session->past().mark_held({torrent.hashes.v1, {}}, result);
  REQUIRE(desk.acquisitions->begin(desk.wanted({{}, torrent.hashes.v2}, peer)));
  desk.work_off();
  REQUIRE(desk.outcomes.size() == 1);
  CHECK(desk.outcomes[0].reason == "cancelled");
  CHECK(desk.outcomes[0].detail.find("held already: entry " + result.text()) != std::string::npos);
  CHECK(desk.outcomes[0].goes_on_as == result);
  CHECK(desk.entries("acquisition.metadata").size() == 1);
  CHECK(desk.payload().empty());
  CHECK(world.programs.back()->stop("uploaded")["uploaded"] == 0);
}

TEST_CASE("who names a torrent that lies by again brings its metadata and other peers along") {
  if (!have_peers()) return;
  EmptySwarm swarm;
  Desk desk{swarm.world};
  REQUIRE(desk.acquisitions->begin(desk.wanted(swarm.torrent.hashes, operators_peer("127.0.0.9", closed_port()))));
  desk.work_off();
  REQUIRE(desk.acquisitions->lying_by() == 1);
  swarm.come_back();
  auto again = desk.wanted(swarm.torrent.hashes, swarm.peer);
  again.target = torrent_target(contents(swarm.torrent.file)).value();
  again.target.peers = {endpoint_text(swarm.peer)};
  auto const begun = desk.acquisitions->begin(again);
  REQUIRE(begun);
  CHECK(begun.value().running_already);
  CHECK(desk.entries("acquisition.metadata").size() == 1);  // before any try
  auto const resumed = desk.entries("acquisition.resumed");
  REQUIRE(resumed.size() == 1);
  CHECK(resumed[0].body()["peers"] == Json::array({endpoint_text(swarm.peer)}));
  desk.pass(2 * Desk::minute);
  REQUIRE(desk.outcomes.size() == 1);
  CHECK(desk.outcomes[0].state == "complete");
  CHECK(desk.entries("acquisition.attempt").size() == 1);
  CHECK(desk.entries("acquisition.result").size() == 1);
}

TEST_CASE("one that lies by has one result when another acquisition turns out to have its torrent") {
  if (!have_peers()) return;
  EmptySwarm swarm{"hybrid"};
  Desk desk{swarm.world};
  InfoHashes by_v1 = swarm.torrent.hashes;
  by_v1.v2.reset();
  InfoHashes by_v2 = swarm.torrent.hashes;
  by_v2.v1.reset();
  REQUIRE(desk.acquisitions->begin(desk.wanted(by_v1, operators_peer("127.0.0.9", closed_port()))));
  desk.work_off();
  REQUIRE(desk.acquisitions->lying_by() == 1);
  swarm.come_back();
  REQUIRE(desk.acquisitions->begin(desk.wanted(by_v2, swarm.peer)));
  desk.pass(2 * Desk::minute);
  auto const results = desk.entries("acquisition.result");
  REQUIRE(results.size() == 2);
  CHECK(results[0].of() != results[1].of());
  CHECK(desk.acquisitions->idle());
}

TEST_CASE("an attempt of an earlier run that another completes keeps the record of whom it asked") {
  if (!have_peers()) return;
  EmptySwarm swarm{"hybrid"};
  Desk desk{swarm.world};
  InfoHashes by_v1 = swarm.torrent.hashes;
  by_v1.v2.reset();
  InfoHashes by_v2 = swarm.torrent.hashes;
  by_v2.v1.reset();
  REQUIRE(desk.acquisitions->begin(desk.wanted(by_v1, operators_peer("127.0.0.9", closed_port()))));
  desk.work_off();
  REQUIRE(desk.acquisitions->lying_by() == 1);
  desk.begin_run();  // which does not take it up
  swarm.come_back();
  REQUIRE(desk.acquisitions->begin(desk.wanted(by_v2, swarm.peer)));
  desk.work_off();
  auto const attempts = desk.entries("acquisition.attempt");
  auto const results = desk.entries("acquisition.result");
  REQUIRE(attempts.size() == 2);
  REQUIRE(results.size() == 2);
  CHECK(results[1].of() == attempts[0].id());
  CHECK(results[1].text("reason") == "cancelled");
  auto const record = results[1].text("swarm_record");
  REQUIRE(record);
  CHECK(record != results[0].text("swarm_record"));
  auto const exhibits = desk.entries("exhibit.sealed");
  CHECK(std::any_of(exhibits.begin(), exhibits.end(), [&](evidence::ReadEntry const& one) {
    return one.id().text() == *record && one.of() == attempts[0].id() && one.text("role") == "swarm_record";
  }));
}
