// Sealing under a power cut, a kill and a failing disk at every one of its steps.
#include <cstdlib>
#include <map>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/sealing.h"
#include "evidence/start_recovery.h"
#include "evidence/vault.h"
#include "tests/support/counts.h"
#include "tests/support/passing_disk.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

/// The log of this test: durable in the instant that record() returns.
struct Recorded {
  std::vector<EntryDraft> entries;
  bool has(EntryId const& id) const {
    for (EntryDraft const& entry : entries)
      if (entry.id == id) return true;
    return false;
  }
};

/// Who else has the worker's files.
enum class Stranger {
  none,
  writes,      // to one, all the time: it is sealed as a copy
  comes_late,  // opens one for writing when it was hashed and is about to be an object
  comes_late_and_writes,
};

/// The stranger who comes late: breaks the lease of the first file when it is made read-only, and writes to it once it
/// was copied.
class LateDisk final : public PassingDisk {
 public:
  LateDisk(SimulatedDisk& disk, Stranger stranger, std::size_t files)
      : PassingDisk(disk), disk_(disk), stranger_(stranger), files_(files) {}
  Result<void> set_mode(DiskHandle file, std::uint32_t mode) override {
    ++modes_set_;
    bool const late = stranger_ == Stranger::comes_late || stranger_ == Stranger::comes_late_and_writes;
    if (late && modes_set_ == 1) drop_lease(file);
    IMPOUND_CHECK(PassingDisk::set_mode(file, mode));
    if (stranger_ == Stranger::comes_late_and_writes && modes_set_ == files_ + 1)
      disk_.overwrite("staging/sealing/1-0", 0, "ALPHA");
    return ok();
  }

 private:
  SimulatedDisk& disk_;
  Stranger stranger_;
  std::size_t files_;
  std::size_t modes_set_ = 0;
};

struct Scene {
  FakeClock clock;
  SeededRandomness randomness{9};
  std::vector<std::string> contents{"alpha", std::string(3'000, 'b'), "alpha", "", std::string(1'500, 'c')};
  std::vector<ToSeal> files;
  std::optional<EntryId> of_bytes;
  static constexpr char const* in_hand = "bytes in hand";

  Scene() {
    for (std::size_t i = 0; i < contents.size(); ++i) {
      EntryDraft const exhibit{
          .kind = "exhibit.sealed", .body = {{"path", "x"}}, .id = EntryId::make(clock, randomness)};
      ToSeal file{"staging/swarm/a/" + std::to_string(i), contents[i].size(), {}, exhibit};
      if (i == 4) file.arrival = sha256(bytes_of(contents[i]));
      files.push_back(std::move(file));
    }
    of_bytes = EntryId::make(clock, randomness);
  }

  /// The worker's files are not synced: it never does.
  static void lay(SimulatedDisk& disk, Scene const& scene, Stranger stranger = Stranger::none) {
    REQUIRE(make_vault_folders(disk));
    disk.put_folder("staging/swarm/a");
    for (std::size_t i = 0; i < scene.files.size(); ++i) {
      auto file = DiskFile::open(disk, scene.files[i].staged_path, Open::create);
      REQUIRE(file);
      REQUIRE(file.value().write(0, bytes_of(scene.contents[i])));
    }
    REQUIRE(disk.sync_folder("staging/swarm/a"));
    if (stranger == Stranger::writes) disk.someone_writes(scene.files[1].staged_path, true);
  }

  /// The exhibits that were acknowledged, by id.
  std::map<EntryId, Sha256> run(SimulatedDisk& disk, Recorded& log, Stranger stranger = Stranger::none) const {
    std::map<EntryId, Sha256> acknowledged;
    LateDisk late(disk, stranger, files.size());
    Sealing sealing(late, SimulatedDisk::owner, record_into(disk, log), {}, {.one_sync_from = 4});
    auto sealed = sealing.seal(files);
    if (!sealed) return acknowledged;
    for (SealedFile const& file : sealed.value())
      if (file.exhibit) acknowledged.emplace(*file.exhibit, *file.sha256);
    auto one =
        sealing.seal_bytes(bytes_of(in_hand), {.kind = "exhibit.sealed", .body = {{"path", "y"}}, .id = of_bytes});
    if (one && one.value().exhibit) acknowledged.emplace(*one.value().exhibit, *one.value().sha256);
    return acknowledged;
  }

  /// The log of a machine that is off records nothing.
  static RecordEntries record_into(SimulatedDisk& disk, Recorded& log) {
    return [&disk, &log](std::vector<EntryDraft> drafts) -> Result<void> {
      if (disk.is_off()) return Error{Code::io, "off", {}, {}};
      log.entries.insert(log.entries.end(), drafts.begin(), drafts.end());
      return ok();
    };
  }
};

/// Everything that must hold once the next start has recovered.
void check_recovered(SimulatedDisk& disk, Scene const& scene, Recorded& log,
                     std::map<EntryId, Sha256> const& acknowledged) {
  std::vector<EntryDraft> const before = log.entries;
  Sealing sealing(disk, SimulatedDisk::owner, Scene::record_into(disk, log), {}, {.one_sync_from = 4});
  auto recovered = sealing.recover([&log](EntryId const& id) { return log.has(id); });
  REQUIRE_MESSAGE(recovered, (recovered ? std::string() : line(recovered.error())));
  CHECK(recovered.value() == log.entries.size() - before.size());

  std::map<EntryId, std::string> named;
  std::vector<Sha256> digests;
  for (EntryDraft const& entry : log.entries) {
    std::string const digest = entry.body["sha256"].get<std::string>();
    CHECK(named.emplace(*entry.id, digest).second);  // no entry twice
    digests.push_back(*digest_from_hex<Sha256>(digest));
    // No entry without its object, whole and read-only.
    std::string const path = object_path(digests.back());
    REQUIRE(disk.exists(path));
    CHECK(hex(sha256(bytes_of(disk.content(path)))) == digest);
    CHECK(disk.facts_of(path).value().mode == 0400);
  }
  for (auto const& [id, digest] : acknowledged) CHECK(named[id] == hex(digest));  // nothing acknowledged is lost
  // Nothing but what was there is sealed: torn bytes never become an exhibit.
  for (std::size_t i = 0; i < scene.files.size(); ++i)
    if (auto const found = named.find(*scene.files[i].exhibit.id); found != named.end())
      CHECK(found->second == hex(sha256(bytes_of(scene.contents[i]))));

  auto aside = set_aside_unnamed(disk, digests);
  REQUIRE(aside);
  CHECK(aside.value().objects.empty());  // a crash alone leaves no object without its plan
  for (std::string const& path : disk.files()) {
    if (path.starts_with("objects/")) CHECK(path == object_path(sha256(bytes_of(disk.content(path)))));
    CHECK_FALSE(path.starts_with("staging/sealing/"));
  }
  CHECK(disk.accusations().empty());
  // Once more changes nothing.
  std::size_t const entries = log.entries.size();
  CHECK(sealing.recover([&log](EntryId const& id) { return log.has(id); }).value() == 0);
  CHECK(log.entries.size() == entries);
}

std::size_t steps_of_a_quiet_run(Scene const& scene, Stranger stranger, std::size_t& first) {
  SimulatedDisk disk;
  Scene::lay(disk, scene, stranger);
  first = disk.steps();
  Recorded log;
  CHECK(scene.run(disk, log, stranger).size() == scene.files.size() + 1);
  CHECK(disk.accusations().empty());
  return disk.steps() - first;
}

}  // namespace

TEST_CASE("P1: whatever step the power fails at while sealing, no exhibit is lost, doubled or wrong") {
  std::uint64_t const seeds = tries(64, 8);
  std::size_t worlds = 0;
  for (Stranger const stranger :
       {Stranger::none, Stranger::writes, Stranger::comes_late, Stranger::comes_late_and_writes}) {
    Scene const scene;
    std::size_t first = 0;
    std::size_t const steps = steps_of_a_quiet_run(scene, stranger, first);
    CHECK(steps >= 40);
    for (std::size_t step = 1; step <= steps; ++step) {
      for (Fault const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done}) {
        for (std::uint64_t seed = 0; seed < seeds; ++seed) {
          CAPTURE(static_cast<int>(stranger));
          CAPTURE(step);
          CAPTURE(static_cast<int>(fault));
          CAPTURE(seed);
          SimulatedDisk disk;
          Scene::lay(disk, scene, stranger);
          disk.plan({step, fault});
          Recorded log;
          auto const acknowledged = scene.run(disk, log, stranger);
          auto const next = disk.after_power_cut(seed);
          check_recovered(*next, scene, log, acknowledged);
          ++worlds;
        }
      }
    }
  }
  MESSAGE(worlds << " power cuts");
}

TEST_CASE("P1: killed at any step while sealing, the next start carries on") {
  Scene const scene;
  std::size_t first = 0;
  std::size_t const steps = steps_of_a_quiet_run(scene, Stranger::none, first);
  for (std::size_t step = 1; step <= steps; ++step) {
    CAPTURE(step);
    SimulatedDisk disk;
    Scene::lay(disk, scene);
    disk.plan({step, Fault::cut_after});
    Recorded log;
    auto const acknowledged = scene.run(disk, log);
    auto const next = disk.after_kill();
    check_recovered(*next, scene, log, acknowledged);
    // Nothing that was staged is gone: it is an exhibit, or back in its place.
    for (std::size_t i = 0; i < scene.files.size(); ++i)
      CHECK((log.has(*scene.files[i].exhibit.id) || next->content(scene.files[i].staged_path) == scene.contents[i]));
  }
}

TEST_CASE(
    "P1: a call that failed, a start on the same page cache cut at any step: no exhibit is lost, torn or unnamed") {
  Scene const scene;
  std::size_t first = 0;
  std::size_t const steps = steps_of_a_quiet_run(scene, Stranger::none, first);
  std::size_t worlds = 0, refused = 0;
  for (std::size_t step = 1; step <= steps; ++step) {
    for (Fault const fault : {Fault::fail_undone, Fault::fail_done}) {
      SimulatedDisk disk;
      Scene::lay(disk, scene);
      disk.plan({step, fault});
      Recorded before;
      auto const acknowledged = scene.run(disk, before);
      bool whole = false;
      for (std::size_t second = 1; !whole; second += full_counts() ? 1U : 3U) {
        CAPTURE(step);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(second);
        auto const next = disk.after_kill({second, Fault::cut_after});
        Recorded log = before;
        Sealing sealing(*next, SimulatedDisk::owner, Scene::record_into(*next, log), {}, {.one_sync_from = 4});
        whole = sealing.recover([&log](EntryId const& id) { return log.has(id); }) && !next->is_off();
        refused += sealing.recovery().refused.size();
        check_recovered(*next->after_power_cut(whole ? 0 : second % 8), scene, log, acknowledged);
        ++worlds;
      }
    }
  }
  MESSAGE(worlds << " power cuts");
  CHECK(worlds >= (full_counts() ? 840 : 350));
  CHECK(refused > 0);
}

TEST_CASE("P1: recovery itself may be cut at any step") {
  Scene const scene;
  std::size_t first = 0;
  std::size_t const steps = steps_of_a_quiet_run(scene, Stranger::none, first);
  std::uint64_t const seeds = full_counts() ? 16 : 2;
  for (std::size_t step = 1; step <= steps; step += full_counts() ? 1u : 5u) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      for (std::size_t second = 1;; ++second) {
        CAPTURE(step);
        CAPTURE(seed);
        CAPTURE(second);
        SimulatedDisk disk;
        Scene::lay(disk, scene);
        disk.plan({step, Fault::cut_after});
        Recorded log;
        auto const acknowledged = scene.run(disk, log);
        auto const next = disk.after_power_cut(seed);
        next->plan({second, Fault::cut_after});
        Sealing sealing(*next, SimulatedDisk::owner, Scene::record_into(*next, log));
        bool const whole = static_cast<bool>(sealing.recover([&log](EntryId const& id) { return log.has(id); }));
        if (whole && !next->is_off()) break;  // recovery has no step `second`
        auto const last = next->after_power_cut(seed + 100);
        check_recovered(*last, scene, log, acknowledged);
      }
    }
  }
}

TEST_CASE("P1: canary: without the sync of the bytes a power cut is seen to lose them") {
  Scene const scene;
  std::size_t lost = 0;
  for (std::uint64_t seed = 2; seed < 34; ++seed) {
    SimulatedDisk disk;
    Scene::lay(disk, scene);
    disk.drop_syncs([](std::string_view kind, std::string_view) { return kind == "sync_everything"; });
    Recorded log;
    (void)scene.run(disk, log);
    auto const next = disk.after_power_cut(seed);
    for (std::string const& path : next->files())
      if (path.starts_with("objects/") && path != object_path(sha256(bytes_of(next->content(path))))) ++lost;
  }
  CHECK(lost > 0);
}
