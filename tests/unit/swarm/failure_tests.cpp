// How a job fails: with a reason of the closed list, soon, and without harm.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/system/disk.h"
#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/worker/disk/download_journal.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

namespace {

InfoHashes some_hash() { return {InfoHashV1{sha1(bytes_of("a torrent that nobody has")).bytes}, std::nullopt}; }

std::string info_dict(std::string const& extra = {}) {
  return "d6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa" + extra + "e";
}

/// Runs one job with peers that lie about the metadata.
Heard with_liar(World& world, std::string const& info, InfoHashes const& asked,
                std::function<bool(SwarmEvent const&)> until = {}) {
  write_file(world.folder() / "lie", info);
  auto liar = std::make_unique<Program>(
      "lying_peer.py", std::vector<std::string>{(world.folder() / "lie").string(), "--listen", "127.0.0.5:0"});
  auto const port = liar->line()["port"].get<std::uint16_t>();
  SwarmJob job = world.job({{}, asked}, {operators_peer("127.0.0.5", port)});
  job.metadata_timeout_s = 4;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 30s, std::move(until));
  CHECK(liar->line_with("served")["served"].get<bool>());
  return heard;
}

}  // namespace

TEST_CASE("with neither tracker nor peer a job fails at once") {
  World world;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(world.job({{}, some_hash()}, {})));
  auto const heard = listen(*swarm, 5s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "no_peers");
}

TEST_CASE("a peer that cannot be reached is tried a few times, then the job fails") {
  World world;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(world.job({{}, some_hash()}, {operators_peer("127.0.0.1", closed_port())})));
  auto const begun = std::chrono::steady_clock::now();
  auto const heard = listen(*swarm, 20s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "no_peers");
  CHECK(std::chrono::steady_clock::now() - begun > 1s);
}

TEST_CASE("no metadata in time") {
  World world;
  SwarmJob job = world.job({{}, some_hash()}, {});
  job.trackers = {"http://127.0.0.1:" + std::to_string(closed_port()) + "/announce"};
  job.metadata_timeout_s = 1;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 20s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "no_metadata");
}

TEST_CASE("no new byte in time") {
  if (!have_peers()) return;
  World world;
  world.make_payload(1'000'000);
  auto const torrent = world.torrent("v1");
  PeerAddress leecher;
  auto const hungry = world.leecher(torrent, {}, leecher);
  auto job = world.job(torrent, {leecher});
  job.torrent = contents(torrent.file);
  job.idle_timeout_s = 2;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 30s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "deadline");
}

TEST_CASE("P6: metadata that does not hash to the info-hash is refused") {
  if (!have_peers()) return;
  World world;
  auto const heard = with_liar(world, info_dict(), some_hash());
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "metadata_refused");
  CHECK_FALSE(heard.info);
}

TEST_CASE("P6: a SHA-256 cut to 20 bytes is no v1 info-hash") {
  if (!have_peers()) return;
  World world;
  auto const info = info_dict();
  auto const digest = sha256(bytes_of(info));
  InfoHashV1 cut;
  std::copy_n(digest.bytes.begin(), InfoHashV1::size, cut.bytes.begin());
  auto const heard = with_liar(world, info, {cut, std::nullopt});
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "metadata_refused");
  CHECK(heard.failed->detail.find("cut to 20 bytes") != std::string::npos);
  CHECK_FALSE(heard.info);
}

TEST_CASE("P6: an info dict that is none is refused though its hash is right") {
  if (!have_peers()) return;
  World world;
  std::string const info = "d4:name1:ae";
  auto const heard = with_liar(world, info, {InfoHashV1{sha1(bytes_of(info)).bytes}, std::nullopt});
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "metadata_refused");
}

TEST_CASE("P6: symbolic links cost nothing, wherever they lead, and none is made") {
  if (!have_peers()) return;
  World world;
  // Each leads through all that follow it: libtorrent's own look at them takes more than a minute.
  constexpr int links = 2'000;
  std::string info = "d5:filesl";
  auto const name = [](int number) { return "5:" + std::to_string(10'000 + number % links); };
  for (int i = 0; i < links; ++i) {
    info += "d4:attr1:l6:lengthi0e4:pathl" + name(i) + "e12:symlink pathl";
    for (int next = 1; next < 60; ++next) info += name(i + next);
    info += "ee";
  }
  info +=
      "d4:attr1:l6:lengthi0e4:pathl4:linke12:symlink pathl2:..3:etceed6:lengthi1e4:pathl1:aeee"
      "4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
  InfoHashes const hashes{InfoHashV1{sha1(bytes_of(info)).bytes}, std::nullopt};
  auto const begun = std::chrono::steady_clock::now();
  SUBCASE("from a peer") {
    auto const heard = with_liar(
        world, info, hashes, [](SwarmEvent const& event) { return std::holds_alternative<MetadataReceived>(event); });
    REQUIRE(heard.info);
    CHECK(*heard.info == info);
  }
  SUBCASE("in a .torrent") {
    auto job = world.job({{}, hashes}, {operators_peer("127.0.0.1", closed_port())});
    job.torrent = "d4:info" + info + "e";
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm, 30s);
    REQUIRE(heard.failed);
    CHECK(heard.failed->reason == "no_peers");  // taken, and then nobody has it
  }
  CHECK(std::chrono::steady_clock::now() - begun < 25s);
  for (auto const& entry : std::filesystem::recursive_directory_iterator(world.staging()))
    CHECK((entry.is_directory() || (entry.is_regular_file() && entry.path().filename() == "record")));
}

TEST_CASE("a .torrent that is damaged, another one, or too large fails with its reason") {
  World world;
  world.settings.limits.payload_bytes_max = 0;
  auto const run = [&](std::string bytes, InfoHashes const& asked) {
    auto job = world.job({{}, asked}, {operators_peer("127.0.0.1", closed_port())});
    job.torrent = std::move(bytes);
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm, 10s);
    REQUIRE(heard.failed);
    return heard.failed->reason;
  };
  auto const info = info_dict();
  InfoHashes const right{InfoHashV1{sha1(bytes_of(info)).bytes}, std::nullopt};
  auto const whole = "d4:info" + info + "e";
  CHECK(run(whole.substr(0, whole.size() / 2), right) == "metadata_refused");
  CHECK(run(whole, some_hash()) == "metadata_refused");
  CHECK(run(whole, right) == "refused_limits");
}

TEST_CASE("a disk that is full ends the job") {
  // The worker gets a file system of 64 KiB as its staging folder, in a mount namespace of its own.
  if (!have_peers()) return;
  World world;
  world.make_payload(100'000);
  auto const torrent = world.torrent("v1");
  auto const job = world.job(torrent, {world.seed(torrent)});
  auto const script = world.folder() / "worker";
  std::string const user = ::geteuid() == 0 ? "" : "--map-root-user ";
  write_file(script, "#!/bin/sh\nexec unshare " + user +
                         "--mount sh -c 'mount -t tmpfs -o size=64k none \"$0\" && cd \"$0\" && exec " +
                         world.settings.worker_program + "' \"$PWD\"\n");
  REQUIRE(::chmod(script.c_str(), 0700) == 0);
  world.settings.worker_program = script.string();
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 30s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "disk_full");
}

namespace {

/// The journal names for each piece who sent its blocks, and nobody but the job's peers, both of them.
void check_senders(World& world, SwarmJob const& job, std::size_t size) {
  auto const folder = world.staging() / job.folder;
  Sha256 identity;  // stands in the journal's header
  std::memcpy(identity.bytes.data(), contents(folder / "journal").substr(12, 32).data(), identity.bytes.size());
  auto disk = LinuxDisk::open_at(world.staging().string());
  REQUIRE(disk);
  std::optional<JournalContent> content;
  REQUIRE(DownloadJournal::open(*disk.value(), job.folder, identity, {1'000, 10, 4}, content));
  REQUIRE(content);
  std::set<std::uint16_t> who;
  for (std::size_t piece = 0; piece < (size + 65'535) / 65'536; ++piece) {
    CAPTURE(piece);
    std::size_t blocks = 0;
    for (SenderRun const& run : content->sent[piece]) {
      who.insert(run.sender);
      blocks += run.blocks;
    }
    CHECK(blocks == (std::min<std::size_t>(65'536, size - piece * 65'536) + 16'383) / 16'384);
  }
  CHECK(who.size() == 2);
  for (auto const number : who) {
    REQUIRE(number < content->senders.size());
    Sender const& sender = content->senders[number];
    auto const is_sender = [&](PeerAddress const& peer) {
      auto const last = static_cast<std::byte>(peer.ip.back() - '0');  // of 127.0.0.N
      return peer.port == sender.port && sender.address[12] == std::byte{127} && sender.address[15] == last;
    };
    CHECK(std::any_of(job.peers.begin(), job.peers.end(), is_sender));
  }
}

}  // namespace

TEST_CASE("beside a peer that spoils some blocks, a torrent comes whole from a good one") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v1", "v2", "hybrid"}) {
    INFO(version);
    World world;
    auto const bytes = random_bytes(2'000'000, 5);
    write_file(world.folder() / "payload", bytes);
    auto const torrent = world.torrent(version, {"--piece-size", "65536"});
    auto const read = read_torrent(contents(torrent.file), MetainfoLimits{});
    REQUIRE(read);
    write_file(world.folder() / "info", read.value().info);
    auto liar = std::make_unique<Program>(
        "lying_peer.py",
        std::vector<std::string>{(world.folder() / "info").string(), "--listen", "127.0.0.5:0", "--garbage",
                                 std::to_string((bytes.size() + 65'535) / 65'536), "--of",
                                 (world.folder() / "payload").string(), "--piece-size", "65536", "--spoil", "7"});
    auto const port = liar->line()["port"].get<std::uint16_t>();
    auto job = world.job(torrent, {world.seed(torrent, {"--rate", "3000000"}), operators_peer("127.0.0.5", port)});
    job.torrent = contents(torrent.file);
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    auto const heard = listen(*swarm, 60s);
    REQUIRE_MESSAGE(heard.done, (heard.failed ? heard.failed->reason + " " + heard.failed->detail : "no end"));
    CHECK(liar->line_with("lied")["lied"].get<bool>());
    CHECK(heard.done->uploaded_payload == 0);
    REQUIRE(heard.files.size() == 1);
    CHECK(heard.files[0].sha256 == sha256(bytes_of(bytes)));
    CHECK(contents(world.staging() / job.folder / heard.files[0].staged_path) == bytes);
    check_senders(world, job, bytes.size());
    MESSAGE(version << ": pieces read back " << heard.done->pieces_read_back << ", payload received "
                    << heard.done->downloaded_payload << " for " << bytes.size());
  }
}

TEST_CASE("peers that send wrong bytes end in hash_failures, never in a file") {
  if (!have_peers()) return;
  World world;
  world.make_payload(500'000);
  auto const torrent = world.torrent("v1");
  auto const bytes = contents(torrent.file);
  auto const read = read_torrent(bytes, MetainfoLimits{}).value();
  write_file(world.folder() / "lie", read.info);
  Program liar{
      "lying_peer.py",
      {(world.folder() / "lie").string(), "--listen", "127.0.0.5:0", "--garbage", std::to_string(read.pieces)}};
  auto job = world.job(torrent, {operators_peer("127.0.0.5", liar.line()["port"].get<std::uint16_t>())});
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 60s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "hash_failures");
  CHECK(heard.info);
  CHECK(heard.failed->downloaded > 0);
  for (auto const& file : heard.files) CHECK(file.size == 0);
}
