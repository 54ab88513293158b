// Many small files in few pieces, through the worker: every digest taken on arrival is that of the bytes.
#include <fcntl.h>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "tests/support/counts.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

TEST_CASE("thousands of files come whole across a pause, each with its digest, and nothing is read back") {
  if (!have_peers()) return;
  std::size_t const files = full_counts() ? 5'000 : 500;
  World world;
  for (std::size_t i = 0; i < files; ++i)
    write_file(world.folder() / "payload" / std::to_string(i % 50) / std::to_string(i),
               random_bytes(1 + i * 37 % 3'000, static_cast<unsigned>(i)));
  for (std::string const& version : std::vector<std::string>{"v1", "v2", "hybrid"}) {
    INFO(version);
    auto const torrent = world.torrent(version, {"--piece-size", version == "v1" ? "262144" : "16384"});
    auto const rate = std::to_string(version == "v1" ? files * 400 : 2'000'000);  // the one that pauses takes its time
    auto job = world.job(torrent, {world.seed(torrent, {"--rate", rate})});
    job.id = job.folder = version;
    job.torrent = contents(torrent.file);
    auto swarm = world.swarm();
    REQUIRE(swarm->add(job));
    bool paused = version != "v1";
    bool resumed = paused;
    auto const heard = listen(*swarm, 120s, [&](SwarmEvent const& event) {
      if (auto const* file = std::get_if<FileDone>(&event)) {
        // The worker still runs, and has closed it: who takes it over gets a lease at the first try.
        auto const path = world.staging() / job.folder / file->staged_path;
        Descriptor const opened{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        REQUIRE(opened.number() >= 0);
        CHECK(::fcntl(opened.number(), F_SETLEASE, F_RDLCK) == 0);
        return false;
      }
      auto const* progress = std::get_if<Progress>(&event);
      if (progress == nullptr) return false;
      if (!paused && progress->downloaded > 0) {
        REQUIRE(swarm->pause(job.id));
        paused = true;
      } else if (paused && !resumed && progress->state == "paused") {
        REQUIRE(swarm->resume(job.id));
        resumed = true;
      }
      return false;
    });
    REQUIRE_MESSAGE(heard.done, (heard.failed ? heard.failed->reason + " " + heard.failed->detail : "no end"));
    CHECK(resumed);
    world.check_files(job, heard);
    for (auto const& file : heard.files)
      CHECK(file.sha256 == sha256(bytes_of(contents(world.staging() / job.folder / file.staged_path))));
    CHECK(heard.files.size() == files);
    CHECK(heard.done->uploaded_payload == 0);
    CHECK(heard.done->pieces_read_back == 0);
    MESSAGE(version << ": " << files << " files, pieces read back " << heard.done->pieces_read_back);
  }
}
