#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "evidence/formats/hex.h"
#include "fetchers/torrents/metainfo.h"

namespace impound::fetchers::test {

namespace {

std::string const support = std::string{SOURCE_ROOT} + "/tests/support/";
char const* const python = "/usr/bin/python3";
// The shell gives the script our line as its standard output, which ChildProcess keeps for nobody.
char const* const to_line = "exec \"$0\" \"$@\" >&3";

/// A network of this test program's own: the peers of one call whoever listens at 127.0.0.1, and tests run side by
/// side. Without the right to it, everybody is in one.
void have_own_network() {
  static bool const done = [] {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    Descriptor const socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ifreq loopback{{"lo"}, {}};
    loopback.ifr_flags = IFF_UP | IFF_RUNNING;
    REQUIRE(::ioctl(socket.number(), SIOCSIFFLAGS, &loopback) == 0);
    return true;
  }();
  if (!done) MESSAGE("not root: the loopback network is shared with other programs");
}

}  // namespace

bool have_peers() {
  static bool const there = [] {
    auto child = ChildProcess::start({python, {"-c", "import libtorrent"}, -1});
    return child && child.value()->wait(30s) == Ending{false, 0};
  }();
  if (!there) MESSAGE("skipped: python3-libtorrent is not installed");
  return there;
}

std::string contents(std::filesystem::path const& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void write_file(std::filesystem::path const& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file{path, std::ios::binary};
  file << bytes;
}

std::string random_bytes(std::size_t count, unsigned seed) {
  std::mt19937_64 engine{seed};
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(engine() & 0xff);
  return bytes;
}

Program::Program(std::string const& script, std::vector<std::string> const& arguments) {
  std::vector<std::string> all{"-c", to_line, python, support + script};
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto child = ChildProcess::start({"/bin/sh", all, -1});
  REQUIRE(child);
  child_ = std::move(child).value();
}

nlohmann::json Program::line() {
  while (true) {
    auto const end = buffer_.find('\n');
    if (end != std::string::npos) {
      auto const text = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      auto parsed = nlohmann::json::parse(text, nullptr, false);
      REQUIRE_MESSAGE(parsed.is_object(), text);
      return parsed;
    }
    pollfd watched{child_->socket().number(), POLLIN, 0};
    REQUIRE(::poll(&watched, 1, 30'000) == 1);
    char part[4096];
    ssize_t const got = ::recv(watched.fd, part, sizeof part, 0);
    if (got <= 0) child_->wait(10s);
    REQUIRE_MESSAGE(got > 0, child_->error_tail());
    buffer_.append(part, static_cast<std::size_t>(got));
  }
}

bool Program::has_said_more() {
  pollfd watched{child_->socket().number(), POLLIN, 0};
  return !buffer_.empty() || ::poll(&watched, 1, 0) == 1;
}

nlohmann::json Program::line_with(char const* key) {
  while (true) {
    auto one = line();
    if (one.contains(key)) return one;
  }
}

nlohmann::json Program::stop(char const* key) {
  ::kill(child_->id(), SIGTERM);
  return line_with(key);
}

World::World() {
  have_own_network();
  auto const pattern = (std::filesystem::temp_directory_path() / "impound-swarm-XXXXXX").string();
  std::string name = pattern;
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  folder_ = name;
  std::filesystem::create_directories(staging());
  staging_ = Descriptor{::open(staging().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  REQUIRE(staging_);
  settings.worker_program = std::string{BUILD_ROOT} + "/impound-swarm-worker";
  settings.staging_folder = staging_.number();
  settings.user_agent = "impound-test/1";
  // All of IPv4's loopback and more: only what a test opens can be reached, as in the world outside.
  settings.blocked = {
      {"0.0.0.0", "0.255.255.255"}, {"127.0.0.0", "127.255.255.255"}, {"10.0.0.0", "10.255.255.255"}, {"::", "::1"}};
}

World::~World() {
  programs.clear();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void World::make_payload(std::size_t bytes) {
  auto const payload = folder_ / "payload";
  write_file(payload / "large.bin", random_bytes(bytes, 1));
  write_file(payload / "empty", "");
  write_file(payload / "mail" / "été" / "日本語 😀.txt", "one line\n");
  write_file(payload / "mail" / "second.eml", random_bytes(40'000, 2));
  write_file(payload / "mail" / "zero length too", "");
}

MadeTorrent World::torrent(std::string const& version, std::vector<std::string> const& more) {
  MadeTorrent made{(folder_ / (version + ".torrent")).string(), {}};
  std::vector<std::string> arguments{(folder_ / "payload").string(), made.file, "--version", version};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Program program{"make_torrent.py", arguments};
  auto const said = program.line();
  if (said["v1"].is_string()) made.hashes.v1 = digest_from_hex<InfoHashV1>(said["v1"].get<std::string>());
  if (said["v2"].is_string()) made.hashes.v2 = digest_from_hex<InfoHashV2>(said["v2"].get<std::string>());
  return made;
}

PeerAddress World::seed(MadeTorrent const& torrent, std::vector<std::string> const& more) {
  std::vector<std::string> arguments{torrent.file, folder_.string(), "--listen", "127.0.0.2:0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  programs.push_back(std::make_unique<Program>("seeder.py", arguments));
  return operators_peer("127.0.0.2", programs.back()->line()["port"].get<std::uint16_t>());
}

std::unique_ptr<Program> World::leecher(MadeTorrent const& torrent, std::vector<std::string> const& more,
                                        PeerAddress& endpoint) {
  static int number = 0;
  auto const own = folder_ / ("leecher-" + std::to_string(++number));
  std::filesystem::create_directories(own);
  std::vector<std::string> arguments{torrent.file, own.string(), "--listen", "127.0.0.3:0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  auto program = std::make_unique<Program>("leecher.py", arguments);
  endpoint = operators_peer("127.0.0.3", program->line()["port"].get<std::uint16_t>());
  return program;
}

std::unique_ptr<Swarm> World::swarm() {
  auto started = Swarm::start(settings);
  REQUIRE_MESSAGE(started, started.error().what);
  return std::move(started).value();
}

SwarmJob World::job(MadeTorrent const& torrent, std::vector<PeerAddress> peers) {
  SwarmJob job;
  job.id = "job";
  job.folder = "job";
  job.hashes = torrent.hashes;
  job.peers = std::move(peers);
  return job;
}

void World::check_files(SwarmJob const& job, Heard const& heard) {
  std::map<std::string, std::string> told;
  for (auto const& file : heard.files) {
    auto const bytes = contents(staging() / job.folder / file.staged_path);
    CHECK(bytes.size() == file.size);
    CHECK(std::filesystem::is_regular_file(staging() / job.folder / file.staged_path));
    CHECK(told.emplace(file.path_bytes, bytes).second);
  }
  std::size_t seeded = 0;
  for (auto const& entry : std::filesystem::recursive_directory_iterator(folder_ / "payload")) {
    if (!entry.is_regular_file()) continue;
    ++seeded;
    auto const path = std::filesystem::relative(entry.path(), folder_).string();
    INFO(path);
    REQUIRE(told.contains(path));
    CHECK(told[path] == contents(entry.path()));
  }
  CHECK(told.size() == seeded);
}

Heard listen(Swarm& swarm, std::chrono::seconds at_most, std::function<bool(SwarmEvent const&)> until) {
  Heard heard;
  auto const end = std::chrono::steady_clock::now() + at_most;
  while (true) {
    REQUIRE_MESSAGE(std::chrono::steady_clock::now() < end, "the job did not end in time");
    auto next = swarm.next(1s);
    REQUIRE(next);
    if (!next.value()) continue;
    auto const& event = *next.value();
    if (auto const* metadata = std::get_if<MetadataReceived>(&event)) heard.info = metadata->info;
    if (auto const* file = std::get_if<FileDone>(&event)) heard.files.push_back(*file);
    if (auto const* progress = std::get_if<Progress>(&event)) heard.progress.push_back(*progress);
    if (auto const* tried = std::get_if<Tried>(&event)) heard.tried = *tried;
    if (auto const* done = std::get_if<Done>(&event)) heard.done = *done;
    if (auto const* failed = std::get_if<Failed>(&event)) heard.failed = *failed;
    if (auto const* incident = std::get_if<Incident>(&event)) heard.incident = *incident;
    if (auto const* ended = std::get_if<Ended>(&event)) heard.ended = *ended;
    if (until && until(event)) return heard;
    if (heard.done || heard.failed || heard.ended) return heard;
  }
}

PeerAddress operators_peer(std::string ip, std::uint16_t port) { return {std::move(ip), port, true}; }

std::string endpoint_text(PeerAddress const& peer) { return peer.ip + ":" + std::to_string(peer.port); }

std::uint16_t closed_port() {
  // Bound and never listened on: dialling it is refused, and nobody else gets it as long as the test runs.
  static int const held = [] {
    int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return socket;
  }();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(held, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

}  // namespace impound::fetchers::test
