// The corpus of torrents, good and malformed, through the worker itself: the verdict each deserves, and nothing is made
// outside of each job's folder, nor under a name that a torrent chose.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "fetchers/torrents/metainfo.h"
#include "fetchers/torrents/worker/disk/file_table.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

namespace {

std::string const folder = std::string{TEST_DATA} + "/torrents/";

struct Sent {
  std::string file;
  bool readable = false;  // by our own reader, which the agent asks before the worker is
};

/// How the worker ended each job, by its id.
std::map<std::string, std::string> endings(Swarm& swarm, std::size_t jobs) {
  std::map<std::string, std::string> ended;
  auto const until = std::chrono::steady_clock::now() + 120s;
  while (ended.size() < jobs) {
    REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, "jobs that did not end");
    auto const event = swarm.next(1s);
    REQUIRE(event);
    if (!event.value()) continue;
    if (auto const* failed = std::get_if<Failed>(&*event.value())) ended[failed->job] = failed->reason;
    if (auto const* done = std::get_if<Done>(&*event.value())) ended[done->job] = "done";
    REQUIRE_FALSE(std::holds_alternative<Ended>(*event.value()));
  }
  return ended;
}

}  // namespace

TEST_CASE("P6: the worker takes the corpus with the verdict each deserves, and makes nothing outside of staging") {
  World world;
  auto swarm = world.swarm();
  std::map<std::string, Sent> sent;
  std::vector<InfoHashes> seen;
  auto const table = nlohmann::json::parse(contents(folder + "expected.json"));
  for (auto const& [file, expected] : table.items()) {
    auto const bytes = contents(folder + file);
    auto const torrent = read_torrent(bytes, MetainfoLimits{});
    auto const id = std::to_string(sent.size());
    SwarmJob job = world.job({{}, {InfoHashV1{}, std::nullopt}}, {operators_peer("127.0.0.1", closed_port())});
    if (torrent) {
      auto const same = [&](InfoHashes const& other) { return same_torrent(other, torrent.value().hashes); };
      if (std::any_of(seen.begin(), seen.end(), same)) continue;  // the agent never has one torrent twice
      seen.push_back(torrent.value().hashes);
      job.hashes = torrent.value().hashes;
    }
    job.id = job.folder = id;
    job.torrent = bytes;
    job.choose_files = false;
    sent[id] = {file, static_cast<bool>(torrent)};
    REQUIRE(swarm->add(job));
  }
  auto const ended = endings(*swarm, sent.size());
  std::map<std::string, std::size_t> counts;
  for (auto const& [id, one] : sent) {
    INFO(one.file << " ended with " << ended.at(id));
    ++counts[ended.at(id)];
    if (one.readable)
      CHECK(ended.at(id) == "no_peers");  // taken, and then nobody has it
    else
      CHECK((ended.at(id) == "metadata_refused" || ended.at(id) == "refused_limits"));
  }
  CHECK(sent.size() == 76);
  for (auto const& [reason, count] : counts) MESSAGE(count << " " << reason);
  swarm->stop();
  // Nothing but the jobs' folders, and in them files under names of ours: six digits, with the hashes of its pieces
  // beside it perhaps, or the journal.
  for (auto const& entry : std::filesystem::recursive_directory_iterator{world.folder()}) {
    auto const path = std::filesystem::relative(entry.path(), world.folder()).string();
    INFO(path);
    CHECK_FALSE(entry.is_symlink());
    if (path == "staging") continue;
    REQUIRE(path.starts_with("staging/"));
    auto const below = path.substr(8);
    auto const slash = below.find('/');
    CHECK(sent.contains(below.substr(0, slash)));
    if (slash == std::string::npos) continue;
    auto name = below.substr(slash + 1);
    if (name.ends_with(".layer")) name.resize(name.size() - 6);
    CHECK((name == "journal" || name == "record" || name.find_first_not_of("0123456789") == std::string::npos));
  }
}
