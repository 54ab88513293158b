// A small world for the worker: a folder of its own, payload, torrents, and peers in Python, all on 127.0.0.0/8. What
// it starts ends with it.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evidence/system/child_process.h"
#include "fetchers/torrents/swarm.h"

namespace impound::fetchers::test {

using namespace std::chrono_literals;

/// False, with a message, where python3-libtorrent is missing.
bool have_peers();

std::string contents(std::filesystem::path const& path);
void write_file(std::filesystem::path const& path, std::string_view bytes);
std::string random_bytes(std::size_t count, unsigned seed);

/// One of the programs of tests/support, speaking lines of JSON.
class Program {
 public:
  Program(std::string const& script, std::vector<std::string> const& arguments);
  /// The next line; fails the test after 30 s.
  nlohmann::json line();
  /// Whether a line, or a part of one, is there already.
  bool has_said_more();
  /// Lines up to one with this key.
  nlohmann::json line_with(char const* key);
  /// SIGTERM, and the line with this key.
  nlohmann::json stop(char const* key);

 private:
  std::unique_ptr<ChildProcess> child_;
  std::string buffer_;
};

struct MadeTorrent {
  std::string file;
  InfoHashes hashes;
};

/// What a job said until it ended.
struct Heard {
  std::optional<std::string> info;
  std::vector<FileDone> files;
  std::vector<Progress> progress;
  std::optional<Tried> tried;
  std::optional<Done> done;
  std::optional<Failed> failed;
  std::optional<Incident> incident;
  std::optional<Ended> ended;
};

class World {
 public:
  World();
  ~World();

  std::filesystem::path const& folder() const { return folder_; }
  std::filesystem::path staging() const { return folder_ / "staging"; }

  /// payload/ under folder(): one file of `bytes`, and small ones: nested, empty, with UTF-8 names.
  void make_payload(std::size_t bytes);
  MadeTorrent torrent(std::string const& version, std::vector<std::string> const& more = {});
  /// A seeder on its own loopback address; its endpoint.
  PeerAddress seed(MadeTorrent const& torrent, std::vector<std::string> const& more = {});
  std::unique_ptr<Program> leecher(MadeTorrent const& torrent, std::vector<std::string> const& more,
                                   PeerAddress& endpoint);

  std::unique_ptr<Swarm> swarm();
  /// The magnet of a torrent, with peers that the operator named.
  SwarmJob job(MadeTorrent const& torrent, std::vector<PeerAddress> peers);
  /// Every file that was told is what was seeded, bit for bit, and all of them were told.
  void check_files(SwarmJob const& job, Heard const& heard);

  SwarmSettings settings;
  std::vector<std::unique_ptr<Program>> programs;

 private:
  std::filesystem::path folder_;
  Descriptor staging_;
};

/// Listens until the job (or the worker) ends; fails the test after `at_most`.
Heard listen(Swarm& swarm, std::chrono::seconds at_most = 60s, std::function<bool(SwarmEvent const&)> until = {});

PeerAddress operators_peer(std::string ip, std::uint16_t port);
/// "127.0.0.2:6881".
std::string endpoint_text(PeerAddress const& peer);
/// A port on which nobody listens.
std::uint16_t closed_port();

}  // namespace impound::fetchers::test
