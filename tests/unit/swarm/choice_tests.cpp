// Which files of a torrent come, and that none comes before the agent said so; a worker that falls silent.
#include <sys/stat.h>

#include <signal.h>

#include <algorithm>

#include "fetchers/torrents/file_choice.h"
#include "fetchers/torrents/metainfo.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

namespace {

/// Some files of a torrent: all but the largest.
std::vector<bool> all_but_the_largest(Metainfo const& torrent) {
  std::size_t largest = 0;
  for (std::size_t i = 0; i < torrent.files.size(); ++i)
    if (!torrent.files[i].pad && torrent.files[i].size > torrent.files[largest].size) largest = i;
  std::vector<bool> wanted(torrent.files.size(), true);
  wanted[largest] = false;
  return wanted;
}

/// The swarm record aside.
std::uint64_t bytes_on_disk(std::filesystem::path const& folder) {
  std::uint64_t bytes = 0;
  for (auto const& entry : std::filesystem::recursive_directory_iterator{folder})
    if (entry.is_regular_file() && entry.path().filename() != "record") bytes += entry.file_size();
  return bytes;
}

/// Without holes.
std::uint64_t bytes_allocated(std::filesystem::path const& folder) {
  std::uint64_t bytes = 0;
  for (auto const& entry : std::filesystem::recursive_directory_iterator{folder}) {
    struct stat facts {};
    REQUIRE(::lstat(entry.path().c_str(), &facts) == 0);
    bytes += static_cast<std::uint64_t>(facts.st_blocks) * 512;
  }
  return bytes;
}

bool finished(SwarmEvent const& event) {
  auto const* progress = std::get_if<Progress>(&event);
  return progress != nullptr && progress->state == "finished";
}

}  // namespace

TEST_CASE("no payload comes before the files are chosen, then exactly those that were") {
  if (!have_peers()) return;
  for (std::string const& version : std::vector<std::string>{"v1", "v2", "hybrid"}) {
    for (bool const by_magnet : {true, false}) {
      INFO(version << (by_magnet ? " by magnet" : " by file"));
      World world;
      world.make_payload(2'000'000);
      auto const made = world.torrent(version);
      auto job = world.job(made, {world.seed(made)});
      job.choose_files = true;
      job.idle_timeout_s = 5;
      if (!by_magnet) job.torrent = contents(made.file);
      auto const torrent = read_torrent(contents(made.file), MetainfoLimits{}).value();
      auto swarm = world.swarm();
      REQUIRE(swarm->add(job));
      // For libtorrent a torrent of which nothing is wanted is finished: it has connected, and could have taken.
      auto const before = listen(*swarm, 30s, finished);
      if (!by_magnet) CHECK_FALSE(before.info);
      CHECK(before.files.empty());
      CHECK_FALSE(before.done);
      CHECK(bytes_on_disk(world.staging()) == 0);
      CHECK(
          std::all_of(before.progress.begin(), before.progress.end(), [](auto const& p) { return p.downloaded == 0; }));
      // Waiting to be told is not idleness.
      auto const longer = std::chrono::steady_clock::now() + 6s;
      auto const waited = [longer](SwarmEvent const&) { return std::chrono::steady_clock::now() >= longer; };
      if (version == "v1" && by_magnet) CHECK_FALSE(listen(*swarm, 30s, waited).failed);
      auto const wanted = all_but_the_largest(torrent);
      REQUIRE(swarm->choose("job", wanted));
      auto const heard = listen(*swarm, 30s);
      REQUIRE_MESSAGE(heard.done, (heard.failed ? heard.failed->reason + " " + heard.failed->detail : "no end"));
      CHECK(heard.done->downloaded_payload < 1'000'000);
      CHECK(bytes_allocated(world.staging()) < 1'000'000);  // no room is taken for what is not wanted
      std::size_t expected = 0;
      for (std::size_t i = 0; i < wanted.size(); ++i) expected += wanted[i] && !torrent.files[i].pad;
      CHECK(heard.files.size() == expected);
      for (auto const& file : heard.files) {
        CHECK(wanted.at(file.index));
        CHECK(contents(world.staging() / job.folder / file.staged_path) == contents(world.folder() / file.path_bytes));
      }
    }
  }
}

TEST_CASE("what was chosen and is there already is told at once, and a choice of nothing is done") {
  if (!have_peers()) return;
  World world;
  world.make_payload(300'000);
  auto const made = world.torrent("v1");
  auto job = world.job(made, {world.seed(made)});
  job.torrent = contents(made.file);
  auto first = world.swarm();
  REQUIRE(first->add(job));
  REQUIRE(listen(*first).done);
  first.reset();
  job.choose_files = true;
  auto const files = read_torrent(*job.torrent, MetainfoLimits{}).value().files.size();
  auto swarm = world.swarm();
  REQUIRE(swarm->add(job));
  REQUIRE(swarm->choose("job", std::vector<bool>(files, true)));
  auto const heard = listen(*swarm, 30s);
  REQUIRE(heard.done);
  CHECK(heard.done->downloaded_payload == 0);
  world.check_files(job, heard);
  REQUIRE(swarm->add(job));
  REQUIRE(swarm->choose("job", std::vector<bool>(files, false)));
  auto const nothing = listen(*swarm, 30s);
  CHECK(nothing.done);
  CHECK(nothing.files.empty());
}

TEST_CASE("P6: a choice of files reads back as it was, and one that does not fit its bits is refused") {
  for (std::size_t const count : {0u, 1u, 7u, 8u, 9u, 100'000u}) {
    ChooseFiles const asked{"job", std::vector<bool>(count, true)};
    auto const read = to_worker_from(to_frame(ToWorker{asked}));
    REQUIRE(read);
    CHECK(std::get<ChooseFiles>(read.value()).wanted == asked.wanted);
  }
  ChooseFiles const mixed{"job", {true, false, false, true, false, false, false, false, true}};
  CHECK(std::get<ChooseFiles>(choice_from(frame_of_choice(mixed)).value()).wanted == mixed.wanted);
  auto const choice = [](std::uint64_t files, std::string const& bits) {
    return to_worker_from(Frame{{"t", "choose"}, {"job", "job"}, {"files", files}, {"wanted", bytes_value(bits)}});
  };
  CHECK(choice(8, "\xff"));
  CHECK_FALSE(choice(7, "\xff"));
  CHECK_FALSE(choice(9, "\xff"));
  CHECK_FALSE(choice(8, std::string{"\xff\0", 2}));
  CHECK_FALSE(choice((std::uint64_t{1} << 53) - 1, ""));
  CHECK_FALSE(choice(~std::uint64_t{0}, ""));
}

TEST_CASE("a worker that falls silent is ended, and the next one goes on with what is there") {
  if (!have_peers()) return;
  World world;
  world.settings.silence_max = 2s;
  world.make_payload(3'000'000);
  auto const torrent = world.torrent("v1");
  auto const job = world.job(torrent, {world.seed(torrent, {"--rate", "1500000"})});
  auto first = world.swarm();
  REQUIRE(first->add(job));
  listen(*first, 30s, [](SwarmEvent const& event) {
    auto const* progress = std::get_if<Progress>(&event);
    return progress != nullptr && progress->downloaded > 0;
  });
  REQUIRE(::kill(first->worker(), SIGSTOP) == 0);
  auto const heard = listen(*first, 30s);
  REQUIRE(heard.ended);
  CHECK(heard.ended->why.find("said nothing for") != std::string::npos);
  CHECK(heard.ended->ending == Ending{true, SIGKILL});
  first.reset();
  world.settings.silence_max = 60s;
  auto second = world.swarm();
  REQUIRE(second->add(job));
  auto const after = listen(*second);
  REQUIRE(after.done);
  world.check_files(job, after);
}

TEST_CASE("a worker with nothing to tell is not silent") {
  World world;
  world.settings.silence_max = 3s;
  auto swarm = world.swarm();
  auto const until = std::chrono::steady_clock::now() + 5s;
  while (std::chrono::steady_clock::now() < until) {
    auto const next = swarm->next(1s);
    REQUIRE(next);
    REQUIRE_FALSE(next.value());
  }
}

TEST_CASE("which files have left comes through the line, eight a byte") {
  SwarmJob job;
  job.id = job.folder = "job";
  job.hashes.v1 = InfoHashV1{};
  job.left = {true, false, false, true, false, false, false, false, false, true};
  auto const read = to_worker_from(to_frame(AddJob{job, false}));
  REQUIRE(read);
  auto left = std::get<AddJob>(read.value()).job.left;
  REQUIRE(left.size() == 16);
  left.resize(job.left.size());
  CHECK(left == job.left);
}
