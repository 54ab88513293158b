// The writer's thread over a log in memory.
#include <doctest/doctest.h>

#include <array>

#include "agent/work/recorder.h"
#include "evidence/log_reader.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/simulated_disk.h"

namespace impound::agent {
namespace {

using namespace evidence;

struct Recording {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault = disk.folder("vault");
  std::unique_ptr<Disk> state = disk.folder("state");
  SigningKey key = SigningKey::from_seed(std::array<std::byte, 32>{});
  FakeClock clock;
  SeededRandomness random{1};
  std::unique_ptr<Recorder> recorder;

  Recording() {
    EntryMaker maker{clock, random};
    auto const first = maker.make({.kind = "vault.created"});
    REQUIRE(first);
    auto log = CustodyLog::create(*vault, *state, key, "agent.example/evidence", first.value().bytes);
    REQUIRE(log);
    maker.session(first.value().id);
    recorder = std::make_unique<Recorder>(std::move(log).value(), std::move(maker), ClockSteps{clock},
                                          Recorder::Room{[] { return true; }, [] {}});
  }
  /// Kind of each entry, in the log's order.
  std::vector<std::string> kinds() {
    REQUIRE(recorder->publish());
    auto reader = LogReader::open(*vault, key.vkey("agent.example/evidence"));
    REQUIRE(reader);
    std::vector<std::string> found;
    REQUIRE(reader.value().each(0, reader.value().checkpoint().size,
                                [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
                                  IMPOUND_TRY(entry, read_entry(index, bytes));
                                  found.push_back(entry.kind());
                                  return ok();
                                }));
    return found;
  }
};

TEST_CASE("recorder: a step of the clock is logged before the next entry, and only then") {
  Recording r;
  REQUIRE(r.recorder->record(EntryDraft{.kind = "note.added"}));
  r.clock.step(-3'000'000);
  CHECK(r.kinds() == std::vector<std::string>{"vault.created", "note.added"});
  auto const ids = r.recorder->record({EntryDraft{.kind = "note.added"}, EntryDraft{.kind = "note.added"}});
  REQUIRE(ids);
  CHECK(ids.value().size() == 2);
  CHECK(r.kinds() ==
        std::vector<std::string>{"vault.created", "note.added", "clock.stepped", "note.added", "note.added"});
}

TEST_CASE("recorder: a full disk is told once, and again after it was left") {
  Recording r;
  REQUIRE(r.recorder->tell_disk_full("one"));
  REQUIRE(r.recorder->tell_disk_full("two"));
  CHECK(r.recorder->disk_full_told());
  REQUIRE(r.recorder->tell_room(1'000'000));
  CHECK_FALSE(r.recorder->disk_full_told());
  REQUIRE(r.recorder->tell_disk_full("three"));
  REQUIRE(r.recorder->tell_disk_full("four"));
  CHECK(r.kinds() == std::vector<std::string>{"vault.created", "limit.reached", "limit.left", "limit.reached"});
}

TEST_CASE("recorder: a step that the full disk took no entry for is told with the next one") {
  Recording r;
  r.clock.step(-3'000'000);
  r.disk.capacity(0);
  auto const refused = r.recorder->record(EntryDraft{.kind = "note.added"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::no_space);
  r.disk.capacity(std::nullopt);
  REQUIRE(r.recorder->record(EntryDraft{.kind = "note.added"}));
  CHECK(r.kinds() == std::vector<std::string>{"vault.created", "clock.stepped", "note.added"});
}

TEST_CASE("recorder: a rotation takes what waits before it along, and nothing comes between its signatures and it") {
  SigningKey const next = SigningKey::from_seed(std::array<std::byte, 32>{std::byte{1}});
  Recording r;
  REQUIRE(r.recorder->record(EntryDraft{.kind = "note.added"}));
  r.clock.step(-3'000'000);
  auto const rotated = r.recorder->rotate(next, "why", By{"login", "operator", 1});
  REQUIRE(rotated);
  CHECK(r.kinds() == std::vector<std::string>{"vault.created", "note.added", "clock.stepped", "key.rotated"});
  REQUIRE(r.recorder->record(EntryDraft{.kind = "note.added"}));
  CHECK(r.kinds().size() == 5);
  auto const reader = LogReader::open(*r.vault, r.key.vkey("agent.example/evidence"));
  REQUIRE(reader);
  CHECK(reader.value().key().vkey() == next.vkey("agent.example/evidence"));
  // Not to the key that signs already.
  auto const again = r.recorder->rotate(next, "", By{});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::refused);
  REQUIRE(r.recorder->record(EntryDraft{.kind = "note.added"}));
}

}  // namespace
}  // namespace impound::agent
