// What the vault has is not taken a second time.
#include <algorithm>

#include "evidence/erasure.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "tests/support/counts.h"
#include "tests/unit/acquisition/desk.h"

using namespace impound;
using namespace impound::agent;
using namespace impound::agent::test;
using namespace impound::fetchers::test;

namespace {

/// Two torrents that share a file, and a peer for each; the shared one has another name in the second.
struct TwoDumps {
  World world;
  std::string shared = random_bytes(300'000, 1);
  MadeTorrent first, second;
  fetchers::PeerAddress first_peer, second_peer;

  explicit TwoDumps(std::string const& version, bool with_more = true) {
    first = make({{"mail.eml", shared}, {"only-first.bin", random_bytes(50'000, 2)}}, version, first_peer);
    std::map<std::string, std::string> files{{"copy of mail.eml", shared}};
    if (with_more) files["only-second.bin"] = random_bytes(60'000, 3);
    second = make(files, version, second_peer);
  }
  std::uint64_t sent_by_second() { return world.programs.back()->stop("uploaded")["uploaded"]; }

 private:
  MadeTorrent make(std::map<std::string, std::string> const& files, std::string const& version,
                   fetchers::PeerAddress& peer) {
    auto const payload = world.folder() / "payload";
    std::filesystem::remove_all(payload);
    for (auto const& [name, bytes] : files) write_file(payload / name, bytes);
    auto made = world.torrent(version);
    auto const own = world.folder() / ("of-" + std::to_string(world.programs.size()));
    std::filesystem::create_directories(own);
    std::filesystem::rename(payload, own / "payload");
    std::filesystem::rename(made.file, own / "made.torrent");
    made.file = (own / "made.torrent").string();
    world.programs.push_back(std::make_unique<Program>(
        "seeder.py", std::vector<std::string>{made.file, own.string(), "--listen", "127.0.0.2:0"}));
    peer = operators_peer("127.0.0.2", world.programs.back()->line()["port"].get<std::uint16_t>());
    return made;
  }
};

AcquisitionOutcome acquired(Desk& desk, InfoHashes const& hashes, fetchers::PeerAddress const& peer) {
  desk.outcomes.clear();
  REQUIRE(desk.acquisitions->begin(desk.wanted(hashes, peer)));
  desk.work_off();
  REQUIRE(desk.outcomes.size() == 1);
  return desk.outcomes[0];
}

}  // namespace

TEST_CASE("a file of another torrent with the same root is not downloaded again, and its exhibit says so") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v2", "hybrid"}) {
    for (bool const next_run : {false, true}) {
      INFO(version << " " << next_run);
      TwoDumps dumps{version};
      Desk desk{dumps.world};
      CHECK(acquired(desk, dumps.first.hashes, dumps.first_peer).state == "complete");
      if (next_run) desk.begin_run();
      auto const outcome = acquired(desk, dumps.second.hashes, dumps.second_peer);
      CHECK(outcome.state == "complete");
      CHECK(outcome.files_sealed == 2);
      auto const payload = desk.payload();
      REQUIRE(payload.size() == 4);
      auto const taken = std::find_if(payload.begin(), payload.end(),
                                      [](auto const& entry) { return entry.body().contains("taken_from"); });
      REQUIRE(taken != payload.end());
      auto const from = std::find_if(payload.begin(), payload.end(),
                                     [&](auto const& entry) { return entry.id().text() == taken->text("taken_from"); });
      REQUIRE(from != payload.end());
      CHECK(from->text("sha256") == taken->text("sha256"));
      CHECK(from->of() != taken->of());
      CHECK(taken->number("size") == dumps.shared.size());
      CHECK_FALSE(taken->body().contains("arrival_sha256"));
      CHECK(taken->body()["origin"]["path"] == "payload/copy of mail.eml");
      CHECK(taken->body()["origin"]["pieces_root"] == from->body()["origin"]["pieces_root"]);
      // The file list names it, too.
      auto const sealed = desk.entries("exhibit.sealed");
      auto const found =
          std::find_if(sealed.rbegin(), sealed.rend(), [](auto const& one) { return one.text("role") == "file_list"; });
      REQUIRE(found != sealed.rend());
      auto const& list = *found;
      std::string const object = list.text("sha256").value_or("?");
      std::string const lines =
          contents(std::filesystem::path{desk.settings.vault} / "objects" / object.substr(0, 2) / object);
      CHECK(lines.find("\"taken_from\":\"" + from->id().text()) != std::string::npos);
      std::uint64_t const sent = dumps.sent_by_second();
      CHECK(sent > 0);
      CHECK(sent < 100'000);
    }
  }
}

TEST_CASE("where all of a torrent is held by other names, no payload is asked for at all") {
  if (!have_peers()) return;
  TwoDumps dumps{"v2", false};
  Desk desk{dumps.world};
  CHECK(acquired(desk, dumps.first.hashes, dumps.first_peer).state == "complete");
  CHECK(acquired(desk, dumps.second.hashes, dumps.second_peer).state == "complete");
  CHECK(dumps.sent_by_second() == 0);
  // And with the .torrent no peer is needed.
  TwoDumps others{"hybrid", false};
  Desk alone{others.world};
  CHECK(acquired(alone, others.first.hashes, others.first_peer).state == "complete");
  alone.outcomes.clear();
  Wanted wanted;
  wanted.target = torrent_target(contents(others.second.file)).value();
  auto const begun = alone.acquisitions->begin(std::move(wanted));
  REQUIRE_MESSAGE(begun, line(begun.error()));
  alone.work_off();
  REQUIRE(alone.outcomes.size() == 1);
  CHECK(alone.outcomes[0].state == "complete");
  CHECK(alone.payload().size() == 3);
}

TEST_CASE("large files that are held are looked at in turns, and the workers are heard in between") {
  if (!have_peers() || !full_counts()) return;
  World world;
  std::uint64_t const megabyte = 1u << 20;
  for (std::uint64_t const size : {150u, 160u, 170u}) {
    write_file(world.folder() / "payload" / std::to_string(size), "");
    std::filesystem::resize_file(world.folder() / "payload" / std::to_string(size), size * megabyte);
  }
  auto const first = world.torrent("v2");
  auto const peer = world.seed(first);
  Desk desk{world};
  CHECK(acquired(desk, first.hashes, peer).state == "complete");
  // The same files in another torrent, whose only peer has nothing of them.
  world.programs.back()->stop("uploaded");
  write_file(world.folder() / "payload" / "another", "x");
  auto const second = world.torrent("v2");
  desk.outcomes.clear();
  Wanted wanted;
  wanted.target = torrent_target(contents(second.file)).value();
  wanted.timeout = std::chrono::seconds{5};
  REQUIRE(desk.acquisitions->begin(std::move(wanted)));
  CHECK(desk.payload().size() == 3 + 2);  // the first turn
  desk.work_off();
  CHECK(desk.payload().size() == 3 + 3);
}

TEST_CASE("a file that a torrent names twice is downloaded once") {
  if (!have_peers()) return;
  World world;
  std::string const bytes = random_bytes(400'000, 7);
  for (char const* name : {"a.eml", "b.eml", "c.eml"}) write_file(world.folder() / "payload" / name, bytes);
  auto const torrent = world.torrent("v2");
  auto const peer = world.seed(torrent);
  Desk desk{world};
  auto const outcome = acquired(desk, torrent.hashes, peer);
  CHECK(outcome.state == "complete");
  CHECK(outcome.files_sealed == 3);
  CHECK(desk.payload().size() == 3);
  std::uint64_t const sent = world.programs.back()->stop("uploaded")["uploaded"];
  CHECK(sent >= bytes.size());
  CHECK(sent < 2 * bytes.size());
}

TEST_CASE("an object that is not what its name says is not taken") {
  if (!have_peers()) return;
  TwoDumps dumps{"v2"};
  Desk desk{dumps.world};
  CHECK(acquired(desk, dumps.first.hashes, dumps.first_peer).state == "complete");
  std::string const name = hex(sha256(bytes_of(dumps.shared)));
  auto const object = std::filesystem::path{desk.settings.vault} / "objects" / name.substr(0, 2) / name;
  std::string bytes = contents(object);
  REQUIRE(bytes == dumps.shared);
  bytes[1000] ^= 1;
  std::filesystem::permissions(object, std::filesystem::perms::owner_all);
  write_file(object, bytes);
  auto const outcome = acquired(desk, dumps.second.hashes, dumps.second_peer);
  // It came again, and cannot be sealed beside an object that is damaged.
  CHECK(outcome.state == "partial");
  CHECK(outcome.files_sealed == 1);
  auto const payload = desk.payload();
  CHECK(payload.size() == 3);
  CHECK(std::none_of(payload.begin(), payload.end(),
                     [](auto const& entry) { return entry.body().contains("taken_from"); }));
  CHECK(dumps.sent_by_second() >= dumps.shared.size());
}

TEST_CASE("what was erased by order is not taken from the vault") {
  if (!have_peers()) return;
  TwoDumps dumps{"v2"};
  Desk desk{dumps.world};
  CHECK(acquired(desk, dumps.first.hashes, dumps.first_peer).state == "complete");
  auto const payload = desk.payload();
  auto const shared = std::find_if(payload.begin(), payload.end(),
                                   [&](auto const& entry) { return entry.number("size") == dumps.shared.size(); });
  REQUIRE(shared != payload.end());
  evidence::ErasureOrder order{{shared->index}, {}, "Court of X, 17/2017", "contraband", {}};
  order.by = who(desk.settings);
  evidence::ErasureLog const log{[&] { return evidence::LogReader::open(desk.session->disk(), desk.session->vkey()); },
                                 [&](std::vector<evidence::EntryDraft> drafts) -> Result<void> {
                                   IMPOUND_CHECK(desk.session->recorder().record(std::move(drafts)));
                                   return ok();
                                 },
                                 [&] { return desk.session->recorder().publish(); }};
  auto const erased = evidence::erase(desk.session->disk(), log, order);
  REQUIRE_MESSAGE(erased, line(erased.error()));
  CHECK(erased.value().objects == 1);
  desk.begin_run();
  std::size_t const before = desk.payload().size();
  CHECK(acquired(desk, dumps.second.hashes, dumps.second_peer).state == "complete");
  auto const after = desk.payload();
  REQUIRE(after.size() == before + 2);
  CHECK(
      std::none_of(after.begin(), after.end(), [](auto const& entry) { return entry.body().contains("taken_from"); }));
}
