#include <doctest/doctest.h>

#include <cstdlib>

#include "indexed_world.h"

using namespace impound;
using namespace impound::index;

// tests/functional/feature_index.py starts a server and says in $IMPOUND_TEST_POSTGRESQL how to reach it.
TEST_CASE("PostgreSQL takes the same SQL and gives the same rows") {
  char const* const reached_by = std::getenv("IMPOUND_TEST_POSTGRESQL");
  if (reached_by == nullptr) {
    MESSAGE("skipped: no server is named");
    return;
  }
  IndexedWorld world;
  world.story();
  auto index =
      Index::open(std::make_unique<Database>(std::make_unique<soci::session>("postgresql", std::string(reached_by))));
  if (!index) FAIL(line(index.error()));
  auto first = world.reader();
  auto caught = index.value()->catch_up(first, 5);
  if (!caught) FAIL(line(caught.error()));
  world.story();
  auto second = world.reader();
  REQUIRE(index.value()->catch_up(second));
  CHECK(all_rows(*index.value()) == built_at_once(world));

  auto const memory = world.index_in_memory();
  REQUIRE(memory->catch_up(second));
  InfoHashes const torrent{digest_from_hex<InfoHashV1>(std::string(40, 'a')), {}};
  CHECK(index.value()->of_torrent(torrent).value() == memory->of_torrent(torrent).value());
  Sha256 const object = *digest_from_hex<Sha256>(std::string(64, 'c'));
  CHECK(index.value()->of_object(object).value() == memory->of_object(object).value());
  CHECK(index.value()->of_open_acquisitions().value() == memory->of_open_acquisitions().value());
  CHECK(index.value()->of_timestamps().value() == memory->of_timestamps().value());
  CHECK(index.value()->newest_of_kind("incident.raised", 1).value() ==
        memory->newest_of_kind("incident.raised", 1).value());
  CHECK(index.value()->counts().value().bytes == memory->counts().value().bytes);
  CHECK(index.value()->sources().value().size() == 2);
  CHECK(index.value()->rows().value().open_jobs == memory->rows().value().open_jobs);

  WorkQueue queue{index.value()->database(), world.writer->clock(), world.writer->randomness(), {.attempts_max = 1}};
  auto const job = queue.lease("one", 60'000'000);
  if (!job) FAIL(line(job.error()));
  REQUIRE(job.value());
  auto const id = EntryId::parse(job.value()->id);
  CHECK(queue.complete(*id, "two").error().code == Code::refused);
  CHECK(queue.fail(*id, "one").value().state == "dead");
  CHECK(queue.cancel(*id));
  CHECK(index.value()->hold_at(second.checkpoint().size).value() == Caught::up);
}
