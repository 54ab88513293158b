#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>

#include "indexed_world.h"
#include "tests/support/passing_disk.h"

using namespace impound;
using namespace impound::index;

namespace {

std::string bytes_of_files(std::string const& folder) {
  std::string all;
  for (auto const& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream in{file.path(), std::ios::binary};
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  return all;
}

/// Kills the process at the n-th read of the vault.
class DeadlyDisk : public PassingDisk {
 public:
  DeadlyDisk(Disk& disk, int reads) : PassingDisk(disk), reads_(reads) {}
  Result<std::size_t> read(DiskHandle file, std::uint64_t at, std::span<std::byte> into) override {
    if (--reads_ < 0) ::raise(SIGKILL);
    return PassingDisk::read(file, at, into);
  }

 private:
  int reads_;
};

}  // namespace

TEST_CASE("an index that followed the log in steps is the one that is built at once") {
  IndexedWorld world;
  auto const followed = world.index_in(*world.beside);
  for (int i = 0; i < 3; ++i) {
    world.story();
    auto reader = world.reader();
    auto const caught = followed->catch_up(reader, i == 0 ? 1 : 7);
    REQUIRE(caught);
    CHECK(caught.value() == Caught::up);
  }
  CHECK(all_rows(*followed) == built_at_once(world));
}

TEST_CASE("what the index says of a log") {
  IndexedWorld world;
  world.story();
  auto const index = world.index_in_memory();
  auto reader = world.reader();
  REQUIRE(index->catch_up(reader));
  auto const counts = index->counts();
  REQUIRE(counts);
  CHECK(counts.value().objects == 1);
  CHECK(counts.value().bytes == 7);
  CHECK(counts.value().captured == 4);
  REQUIRE(counts.value().results.size() == 2);
  CHECK(counts.value().results[0].state == "complete");
  auto const sources = index->sources();
  REQUIRE(sources);
  CHECK(sources.value().size() == 2);
  InfoHashes const by_v2{{}, digest_from_hex<InfoHashV2>(std::string(64, 'a'))};
  auto const places = index->of_torrent(by_v2);
  REQUIRE(places);
  CHECK(places.value().size() == 5);  // attempt, metadata, exhibit, its digests, result
  auto const open = index->of_open_acquisitions();
  REQUIRE(open);
  CHECK(open.value().size() == 2);  // the attempt, and that it found nobody
}

TEST_CASE("P1: an index whose process was killed at any read of the log goes on, and is the same") {
  IndexedWorld world;
  for (int i = 0; i < 8; ++i) world.story();
  auto const expected = built_at_once(world);
  int killed = 0;
  for (int reads = 4;; reads += 3) {
    auto const place = world.opened("killed-" + std::to_string(reads));
    pid_t const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      DeadlyDisk disk{*world.vault, reads};
      auto reader = evidence::LogReader::open(disk, world.writer->vkey());
      auto database = Database::open(*place);
      if (!reader || !database) ::_exit(2);
      auto index = Index::open(std::move(database).value());
      if (!index) ::_exit(2);
      ::_exit(index.value()->catch_up(reader.value(), 20) ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    bool const whole = WIFEXITED(status);
    if (whole) REQUIRE(WEXITSTATUS(status) == 0);
    auto const index = world.index_in(*place);
    auto reader = world.reader();
    REQUIRE(index->catch_up(reader));
    CHECK(all_rows(*index) == expected);
    if (whole) break;
    ++killed;
  }
  MESSAGE("killed " << killed << " times");
  CHECK(killed > 10);
}

TEST_CASE("what is not the beginning of the log is thrown away") {
  IndexedWorld world;
  world.story();
  auto short_log = world.reader();
  std::filesystem::copy(world.folder.path("vault"), world.folder.path("older"),
                        std::filesystem::copy_options::recursive);
  world.story();
  auto const index = world.index_in(*world.beside);
  auto long_log = world.reader();
  REQUIRE(index->catch_up(long_log));
  auto const older = world.opened("older");
  SUBCASE("a log that is shorter than what was indexed: the reader is older, or the log was rolled back") {
    auto reader = world.reader_of(*older);
    auto const caught = index->catch_up(reader);
    REQUIRE(caught);
    CHECK(caught.value() == Caught::ahead);
    REQUIRE(index->start_over());
    CHECK(index->catch_up(reader).value() == Caught::up);
    auto const rows = index->rows();
    REQUIRE(rows);
    CHECK(rows.value().entries == reader.checkpoint().size);
  }
  SUBCASE("another history of the same vault, as long or longer") {
    for (bool const longer : {false, true}) {
      IndexedWorld other;
      other.tell("note.added", {{"text", "another"}});
      other.story();
      other.story();
      if (longer) other.story();
      auto reader = other.reader();
      CHECK(index->catch_up(reader).value() == Caught::up);
      CHECK(all_rows(*index) == built_at_once(other));
    }
  }
  SUBCASE("tables of another version") {
    index->database().sql() << "UPDATE built SET schema_version = 0";
    index->database().sql() << "ALTER TABLE jobs ADD COLUMN more TEXT";
    auto const again = world.index_in(*world.beside);
    REQUIRE(again->catch_up(long_log));
    CHECK(all_rows(*again) == built_at_once(world));
  }
}

TEST_CASE("a file that is no database, or a damaged one, is told and can be set aside") {
  IndexedWorld world;
  world.story();
  auto reader = world.reader();
  {
    auto const index = world.index_in(*world.beside);
    REQUIRE(index->catch_up(reader));
    REQUIRE(index->database().write_back());
  }
  std::string const path = world.folder.path("beside/index.sqlite");
  bool const garbage = [] {
    bool all = false;
    SUBCASE("garbage") { all = true; }
    SUBCASE("pages overwritten") { all = false; }
    return all;
  }();
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekp(garbage ? 0 : 4096);
  for (int i = 0; i < 100'000; ++i) file.put('x');
  file.close();
  auto const use = [&]() -> Result<void> {
    IMPOUND_TRY(database, Database::open(*world.beside));
    IMPOUND_TRY(index, Index::open(std::move(database)));
    IMPOUND_CHECK(index->catch_up(reader));
    IMPOUND_CHECK(index->of_kind("agent.started"));
    return ok();
  };
  auto const used = use();
  REQUIRE_FALSE(used);
  CHECK(used.error().code == Code::damaged);
  CHECK(used.error().where == index_file);
  REQUIRE(Database::set_aside(*world.beside));
  CHECK(std::filesystem::exists(path + ".damaged"));
  CHECK(use());
}

TEST_CASE("only its owner may read the index") {
  IndexedWorld world;
  mode_t const before = ::umask(0);
  auto const index = world.index_in(*world.beside);
  auto reader = world.reader();
  REQUIRE(index->catch_up(reader));
  ::umask(before);
  int files = 0;
  for (auto const& file : std::filesystem::directory_iterator(world.folder.path("beside"))) {
    CHECK((static_cast<unsigned>(file.status().permissions()) & 0777) == 0600);
    ++files;
  }
  CHECK(files >= 3);
}

TEST_CASE("P2: of an erased entry nothing stays in the index, not in freed pages either") {
  IndexedWorld world;
  world.story();
  world.capture("THE-SECRET-KEY", "failed");
  auto reader = world.reader();
  std::uint64_t const result = reader.checkpoint().size - 1;
  auto const index = world.index_in(*world.beside);
  REQUIRE(index->catch_up(reader));
  CHECK(bytes_of_files(world.folder.path("beside")).find("THE-SECRET-KEY") != std::string::npos);
  for (std::uint64_t const gone : {result - 1, result})
    world.tell("entry.erased",
               {{"index", gone}, {"entry", "x"}, {"kind", "capture.result"}, {"leaf_hash", "x"}, {"order", "y"}});
  world.story();
  std::ofstream{world.folder.path("beside/index.sqlite.damaged")} << "a page with THE-SECRET-KEY";
  auto after = world.reader();
  REQUIRE(index->catch_up(after, 10));
  CHECK(bytes_of_files(world.folder.path("beside")).find("THE-SECRET-KEY") == std::string::npos);
  // The whole log is there but for these two.
  auto const rows = index->rows();
  REQUIRE(rows);
  CHECK(rows.value().entries == after.checkpoint().size - 2);
  // And a second look does not begin again.
  auto const before = all_rows(*index);
  REQUIRE(index->catch_up(after));
  CHECK(all_rows(*index) == before);
}
