// P3: not a byte of payload is handed on. P5: nobody is led astray.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <set>

#include "evidence/formats/hex.h"
#include "tests/support/counts.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

namespace {

/// A loopback listener that must hear nothing.
class Trap {
 public:
  explicit Trap(char const* ip, int kind = SOCK_STREAM)
      : socket_(::socket(AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, ip, &address.sin_addr);
    REQUIRE(::bind(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    if (kind == SOCK_STREAM) REQUIRE(::listen(socket_.number(), 8) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket_.number(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }
  bool sprung() const {
    pollfd watched{socket_.number(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
  }

 private:
  Descriptor socket_;
  std::uint16_t port_ = 0;
};

/// One kind of torrent in a world of its own: a download that a slow seed stretches, then an engine that goes on as a
/// seed, with a hungry leecher that is dialled, one that calls by uTP, and an adversary that does both, from the first
/// moment to the last.
struct Siege {
  World world;
  MadeTorrent torrent;
  SwarmJob job;
  std::unique_ptr<Program> hungry;
  std::unique_ptr<Program> caller;
  std::unique_ptr<Program> adversary;
  std::unique_ptr<Swarm> swarm;

  Siege(std::string const& version, std::size_t seconds) {
    constexpr std::size_t rate = 100'000;
    world.make_payload(seconds * rate);
    torrent = world.torrent(version);
    PeerAddress leecher;
    hungry = world.leecher(torrent, {}, leecher);
    PeerAddress unused;
    caller = world.leecher(torrent, {"--utp"}, unused);
    // Whoever calls from a public address could be answered; the address table must not be what keeps this one out.
    world.settings.allowed = {{"127.0.0.3", "127.0.0.3", std::nullopt}, {"127.0.0.7", "127.0.0.7", std::nullopt}};
    adversary =
        std::make_unique<Program>("adversary.py", std::vector<std::string>{torrent.file, "--listen", "127.0.0.7:0"});
    auto const port = adversary->line()["port"].get<std::uint16_t>();
    auto const seed = world.seed(torrent, {"--rate", std::to_string(rate)});
    job = world.job(torrent, {operators_peer("127.0.0.7", port), leecher, seed});
    job.linger_s = static_cast<std::uint32_t>(seconds);
    swarm = world.swarm();
    REQUIRE(swarm->add(job));
  }

  void end(std::chrono::seconds at_most) {
    auto const heard = listen(*swarm, at_most);
    REQUIRE(heard.done);
    CHECK_FALSE(heard.incident);
    CHECK(heard.done->uploaded_payload == 0);
    world.check_files(job, heard);
    auto const leeched = hungry->stop("received");
    CHECK(leeched["received"].get<std::uint64_t>() == 0);
    CHECK(leeched["connections"].get<int>() >= 1);
    auto const called = caller->stop("received");
    CHECK(called["received"].get<std::uint64_t>() == 0);
    CHECK(called["connections"].get<int>() >= 1);  // uTP's own greeting is not refused
    CHECK(called["heard"].get<int>() == 0);
    auto const got = adversary->stop("received");
    INFO(got.dump());
    for (char const* nothing : {"received", "metadata", "hashes", "dialled_in", "unchoked", "allowed_fast"})
      CHECK_MESSAGE(got[nothing].get<int>() == 0, nothing);
    CHECK(got["connections"].get<int>() >= 1);
    CHECK(got["calls"].get<int>() >= 1);
    CHECK(got["requests"].get<int>() > 10);
    if (torrent.hashes.v2) CHECK(got["hash_requests"].get<int>() > 2);
  }
};

}  // namespace

TEST_CASE("P3: leecher and adversary get nothing of a long download, nor of the seed that it becomes") {
  if (!have_peers()) return;
  std::size_t const seconds = full_counts() ? 65 : 8;
  std::vector<std::unique_ptr<Siege>> sieges;
  for (char const* version : {"v1", "v2", "hybrid"}) sieges.push_back(std::make_unique<Siege>(version, seconds));
  for (auto const& siege : sieges) siege->end(std::chrono::seconds{4 * seconds + 60});
}

TEST_CASE("P3: the adversary does get payload, metadata and hashes from a client that is not guarded (canary)") {
  if (!have_peers()) return;
  World world;
  world.make_payload(1'000'000);
  auto const torrent = world.torrent("hybrid");
  Program adversary{"adversary.py", {torrent.file, "--listen", "127.0.0.7:0"}};
  std::string const address = "127.0.0.7:" + std::to_string(adversary.line()["port"].get<std::uint16_t>());
  auto const seed = world.seed(torrent);
  PeerAddress unused;
  // libtorrent as it comes, dialling the same peers.
  auto const plain = world.leecher(torrent, {"--dial", endpoint_text(seed), "--dial", address, "--stay"}, unused);
  auto const got = adversary.line_with("had_enough");
  INFO(got.dump());
  for (char const* something : {"received", "metadata", "hashes"})
    CHECK_MESSAGE(got[something].get<int>() > 0, something);
}

TEST_CASE("P3: whoever calls does get payload from a client that takes calls (canary)") {
  if (!have_peers()) return;
  World world;
  world.make_payload(1'000'000);
  auto const torrent = world.torrent("v1");
  Program adversary{"adversary.py", {torrent.file, "--listen", "127.0.0.7:0"}};
  PeerAddress unused;
  auto const caller = world.leecher(torrent, {"--utp"}, unused);
  auto const seed = world.seed(torrent);
  auto const plain = world.leecher(torrent, {"--listen", "0.0.0.0:0", "--dial", endpoint_text(seed), "--stay"}, unused);
  CHECK(caller->line_with("received")["received"].get<std::uint64_t>() > 0);
  auto const got = adversary.line_with("fed");
  INFO(got.dump());
  CHECK(got["connections"].get<int>() == 0);
  CHECK(got["dialled_in"].get<int>() > 0);
}

TEST_CASE("P3: a peer that says it has pieces gets no hashes once ours are complete") {
  if (!have_peers()) return;
  World world;
  world.make_payload(400'000);
  auto const torrent = world.torrent("hybrid");
  Program liar{"adversary.py", {torrent.file, "--lies", "--listen", "127.0.0.7:0"}};
  auto const port = liar.line()["port"].get<std::uint16_t>();
  auto job = world.job(torrent, {operators_peer("127.0.0.7", port), world.seed(torrent, {"--rate", "100000"})});
  job.torrent = contents(torrent.file);  // with its hashes
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  REQUIRE(listen(*swarm, 60s).done);
  auto const got = liar.stop("received");
  INFO(got.dump());
  CHECK(got["hash_requests"].get<int>() > 2);
  for (char const* nothing : {"received", "metadata", "hashes"}) CHECK_MESSAGE(got[nothing].get<int>() == 0, nothing);
}

TEST_CASE("P3: a peer that asks for the metadata gets none") {
  if (!have_peers()) return;
  World world;
  world.make_payload(1'000'000);
  auto const torrent = world.torrent("v1");
  PeerAddress leecher;
  auto const curious =
      world.leecher(torrent, {"--metadata", "magnet:?xt=urn:btih:" + hex(*torrent.hashes.v1)}, leecher);
  auto const seed = world.seed(torrent, {"--rate", "500000"});
  auto job = world.job(torrent, {leecher, seed});
  job.linger_s = 2;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  CHECK(curious->line_with("connected")["connected"].get<bool>());
  REQUIRE(listen(*swarm, 60s).done);
  CHECK_FALSE(curious->stop("received")["metadata"].get<bool>());
}

TEST_CASE("P3: the patient leecher does get payload from a client that is not guarded (canary)") {
  if (!have_peers()) return;
  World world;
  world.make_payload(1'000'000);
  auto const torrent = world.torrent("v1");
  PeerAddress leecher;
  auto const hungry = world.leecher(torrent, {}, leecher);
  auto const seed = world.seed(torrent);
  PeerAddress unused;
  // libtorrent as it comes, dialling the same two peers as the worker does above.
  auto const plain =
      world.leecher(torrent, {"--dial", endpoint_text(seed), "--dial", endpoint_text(leecher), "--stay"}, unused);
  auto const got = hungry->line_with("received");
  CHECK(got["received"].get<std::uint64_t>() > 0);
}

TEST_CASE("P5: what content names is not dialled where the address table forbids it") {
  if (!have_peers()) return;
  World world;
  world.make_payload(200'000);
  auto const torrent = world.torrent("v1");
  auto const seed = world.seed(torrent);
  Trap const peer_trap{"127.0.0.6"};
  Trap const tracker_trap{"127.0.0.6"};
  Trap const mapped_trap{"127.0.0.6"};
  Trap const udp_trap{"127.0.0.6", SOCK_DGRAM};
  Trap const name_trap{"127.0.0.1"};
  auto job = world.job(torrent,
                       {seed, {"127.0.0.6", peer_trap.port(), false}, {"::ffff:127.0.0.6", mapped_trap.port(), false}});
  job.trackers = {"http://127.0.0.6:" + std::to_string(tracker_trap.port()) + "/announce",
                  "udp://127.0.0.6:" + std::to_string(udp_trap.port()) + "/announce",
                  "http://localhost:" + std::to_string(name_trap.port()) + "/announce"};
  job.linger_s = 2;  // time for the trackers to be tried
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  REQUIRE(listen(*swarm).done);
  CHECK_FALSE(peer_trap.sprung());
  CHECK_FALSE(mapped_trap.sprung());
  CHECK_FALSE(tracker_trap.sprung());
  CHECK_FALSE(udp_trap.sprung());
  CHECK_FALSE(name_trap.sprung());
}

TEST_CASE("P5: a peer that the operator names opens exactly its port") {
  if (!have_peers()) return;
  World world;
  world.make_payload(200'000);
  auto const torrent = world.torrent("v1");
  auto const seed = world.seed(torrent);
  // Same address as the seed's, another port: as a tracker of the torrent, and as a peer that an allowed tracker names.
  Trap const tracker_trap{"127.0.0.2"};
  Trap const peer_trap{"127.0.0.2"};
  Program tracker{"tracker.py", {"--listen", "127.0.0.4:0", "--peer", "127.0.0.2:" + std::to_string(peer_trap.port())}};
  auto const port = tracker.line()["port"].get<std::uint16_t>();
  world.settings.allowed = {{"127.0.0.4", "127.0.0.4", port}};
  auto job = world.job(torrent, {seed});
  job.trackers = {"http://127.0.0.2:" + std::to_string(tracker_trap.port()) + "/announce",
                  "http://127.0.0.4:" + std::to_string(port) + "/announce"};
  job.linger_s = 2;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  REQUIRE(listen(*swarm).done);
  CHECK(tracker.stop("announces")["announces"].get<int>() >= 1);
  CHECK_FALSE(tracker_trap.sprung());
  CHECK_FALSE(peer_trap.sprung());
}

TEST_CASE("P5: a job whose only peers are forbidden fails and dials nobody") {
  World world;
  Trap const trap{"127.0.0.6"};
  auto job = world.job({{}, {InfoHashV1{}, std::nullopt}}, {{"127.0.0.6", trap.port(), false}});
  job.hashes.v1->bytes[0] = std::byte{1};
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  auto const heard = listen(*swarm, 5s);
  REQUIRE(heard.failed);
  CHECK(heard.failed->reason == "no_peers");
  CHECK_FALSE(trap.sprung());
}

TEST_CASE("P4: behind a proxy a torrent comes whole, its tracker by name, and by nothing but the proxy") {
  if (!have_peers()) return;
  for (char const* version : {"v1", "v2"}) {
    INFO(version);
    World world;
    world.make_payload(400'000);
    auto const torrent = world.torrent(version);
    auto const seed = world.seed(torrent);
    Program tracker{"tracker.py", {"--listen", "127.0.0.4:0", "--peer", endpoint_text(seed)}};
    auto const tracker_port = std::to_string(tracker.line()["port"].get<std::uint16_t>());
    Trap const udp_trap{"127.0.0.4", SOCK_DGRAM};
    Program proxy{"socks_proxy.py", {"--listen", "127.0.0.9:0", "--name", "tracker.example=127.0.0.4"}};
    world.settings.way_out.proxy = Proxy{Proxy::Kind::socks5h, "127.0.0.9", proxy.line()["port"].get<std::uint16_t>()};
    // The seed is allowed, as a public one would be; without the proxy it could not be told from one that is dialled.
    world.settings.allowed = {{seed.ip, seed.ip, std::nullopt}};
    auto job = world.job(torrent, {});
    job.trackers = {"http://tracker.example:" + tracker_port + "/announce",
                    "udp://127.0.0.4:" + std::to_string(udp_trap.port()) + "/announce"};
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    std::optional<Tried> tried;
    auto const heard = listen(*swarm, 60s, [&](SwarmEvent const& event) {
      if (auto const* told = std::get_if<Tried>(&event)) tried = *told;
      return false;
    });
    REQUIRE(heard.done);
    world.check_files(job, heard);
    CHECK(proxy.line_with("connect") ==
          nlohmann::json{{"connect", "tracker.example:" + tracker_port}, {"by_name", true}, {"reached", true}});
    auto next = proxy.line_with("connect")["connect"];
    if (next == "tracker.example:" + tracker_port) next = proxy.line_with("connect")["connect"];  // asked for its counts
    CHECK(next == endpoint_text(seed));
    CHECK_FALSE(udp_trap.sprung());
    REQUIRE(tried);
    REQUIRE(tried->trackers.size() == 2);
    CHECK(tried->trackers[0].answers >= 1);
    CHECK(tried->trackers[1].last == "left out: UDP does not go through the route's proxy");
  }
}

TEST_CASE("P4: a proxy that is dead means that nothing goes out") {
  if (!have_peers()) return;
  for (bool const dead : {true, false}) {  // the canary: the same peer is dialled without a proxy
    INFO(dead);
    World world;
    world.make_payload(100'000);
    auto const torrent = world.torrent("v1");
    Trap const peer{"127.0.0.6"};
    Trap const tracker{"127.0.0.6"};
    if (dead) world.settings.way_out.proxy = Proxy{Proxy::Kind::socks5h, "127.0.0.9", closed_port()};
    world.settings.allowed = {{"127.0.0.6", "127.0.0.6", std::nullopt}};
    auto job = world.job(torrent, {{"127.0.0.6", peer.port(), true}});
    job.trackers = {"http://127.0.0.6:" + std::to_string(tracker.port()) + "/announce"};
    job.metadata_timeout_s = 4;
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    REQUIRE(listen(*swarm).failed);
    CHECK(peer.sprung() == !dead);
    CHECK(tracker.sprung() == !dead);
  }
}

TEST_CASE("P4 and P5: where a tracker sends us is judged before a proxy is asked") {
  if (!have_peers()) return;
  World world;
  world.make_payload(100'000);
  auto const torrent = world.torrent("v1");
  auto const seed = world.seed(torrent);
  // The proxy would reach the tracker under each of these, and the canary's name is not forbidden.
  Program tracker{"tracker.py", {"--listen", "127.0.0.4:0", "--peer", endpoint_text(seed)}};
  auto const there = ":" + std::to_string(tracker.line()["port"].get<std::uint16_t>()) + "/announce";
  std::vector<std::string> const refused{"127.0.0.4",          "2130706436", "0x7f.4",
                                         "[::ffff:127.0.0.4]", "localhost",  "nas.local"};
  std::vector<std::string> hosts = refused;
  hosts.push_back("other.example");
  std::vector<std::unique_ptr<Program>> senders;
  std::vector<std::string> names{"--listen", "127.0.0.9:0"};
  auto job = world.job(torrent, {});
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    senders.push_back(std::make_unique<Program>(
        "tracker.py", std::vector<std::string>{"--listen", "127.0.0.5:0", "--redirect", "http://" + hosts[i] + there}));
    std::string const name = "sends" + std::to_string(i) + ".example";
    job.trackers.push_back("http://" + name + ":" + std::to_string(senders[i]->line()["port"].get<std::uint16_t>()) +
                           "/announce");
    for (std::string const& known : {name + "=127.0.0.5", hosts[i] + "=127.0.0.4"})
      names.insert(names.end(), {"--name", known});
  }
  Program proxy{"socks_proxy.py", names};
  world.settings.way_out.proxy = Proxy{Proxy::Kind::socks5h, "127.0.0.9", proxy.line()["port"].get<std::uint16_t>()};
  world.settings.allowed = {{seed.ip, seed.ip, std::nullopt}};
  auto swarm = world.swarm();
  job.linger_s = 3;
  REQUIRE(swarm->add(job));
  REQUIRE(listen(*swarm).done);
  for (auto const& sender : senders) CHECK(sender->stop("announces")["announces"].get<int>() >= 1);
  std::set<std::string> asked;
  while (proxy.has_said_more()) asked.insert(proxy.line()["connect"].get<std::string>());
  INFO(nlohmann::json(asked).dump());
  CHECK(asked.contains("other.example" + there.substr(0, there.find('/'))));
  for (auto const& one : asked)
    CHECK_MESSAGE((one.starts_with(seed.ip + ":") || one.find(".example:") != std::string::npos), one);
  CHECK(asked.size() == hosts.size() + 2);  // those that send on, the canary, the seed
}

TEST_CASE("P4 and P5: forbidden addresses are not asked of a proxy either") {
  if (!have_peers()) return;
  World world;
  world.make_payload(100'000);
  auto const torrent = world.torrent("v1");
  Program proxy{"socks_proxy.py", {"--listen", "127.0.0.9:0"}};
  world.settings.way_out.proxy = Proxy{Proxy::Kind::socks5h, "127.0.0.9", proxy.line()["port"].get<std::uint16_t>()};
  auto job = world.job(torrent, {{"10.0.0.1", 6881, false}, {"127.0.0.6", 6881, false}, {"::1", 6881, false}});
  job.trackers = {"http://127.0.0.6:80/announce", "http://10.1.1.1/announce"};
  job.metadata_timeout_s = 4;
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  REQUIRE(listen(*swarm).failed);
  CHECK_FALSE(proxy.has_said_more());
}
