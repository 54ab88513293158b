// An erasure under a power cut at every step: ordered, or not begun; after the next start what is ordered is gone for
// good, everything else is whole, and the vault verifies.
#include <set>

#include "evidence/formats/hex.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/counts.h"
#include "tests/support/erasing.h"
#include "tests/support/test_key.h"

using namespace impound;
using namespace impound::evidence;

namespace {

constexpr char const* secret = "the words that were ordered gone";

/// The writer's side of a start, an erasure and a stop; any step may fail.
struct Eraser {
  std::unique_ptr<Disk> vault;
  std::unique_ptr<Disk> state;
  FakeClock clock;
  SeededRandomness randomness;
  SigningKey const& key = test_key();
  EntryMaker maker{clock, randomness};
  std::unique_ptr<CustodyLog> log;

  Eraser(SimulatedDisk& disk, std::uint64_t seed)
      : vault(disk.folder("v")), state(disk.folder("s")), randomness(seed) {}

  Result<void> record(std::vector<EntryDraft> const& drafts) {
    std::vector<std::string> entries;
    for (EntryDraft const& draft : drafts) {
      IMPOUND_TRY(entry, maker.make(draft));
      entries.push_back(entry.bytes);
    }
    IMPOUND_CHECK(log->append(entries));
    return ok();
  }

  /// What an earlier run ordered is carried out before anything else.
  Result<void> start() {
    IMPOUND_TRY(opened, CustodyLog::open(*vault, *state, key, TestVault::origin));
    log = std::move(opened);
    EntryId const session = EntryId::make(clock, randomness);
    IMPOUND_CHECK(record({{.kind = "agent.started", .body = {{"version", "0.1.0"}}, .id = session}}));
    maker.session(session);
    IMPOUND_TRY(reader, read_test_log(*vault));
    IMPOUND_TRY(ordered, OrderedErasures::read(reader));
    IMPOUND_TRY(done, carry_out(*vault, reader, ordered));
    if (!done.failed.empty()) return done.failed.front();
    return log->publish();
  }

  Result<void> erase(ErasureOrder const& order) {
    ErasureLog const ways{[this] { return read_test_log(*vault); },
                          [this](std::vector<EntryDraft> const& drafts) { return record(drafts); },
                          [this] { return log->publish(); }};
    IMPOUND_TRY(done, evidence::erase(*vault, ways, order));
    if (!done.failed.empty()) return done.failed.front();
    return ok();
  }

  Result<void> stop() {
    IMPOUND_CHECK(record({{.kind = "agent.stopped"}}));
    return log->publish();
  }
};

struct World {
  std::unique_ptr<SimulatedDisk> disk = std::make_unique<SimulatedDisk>();
  ErasureOrder order;
  std::string object, kept_object;
  std::string record_bytes;  // of the capture that goes

  World() {
    disk->put_folder("v");
    disk->put_folder("s");
    auto const vault = disk->folder("v");
    auto const state = disk->folder("s");
    TestVault writer(*vault, *state, SimulatedDisk::owner);
    object = writer.seal(std::string("an object with ") + secret);
    kept_object = writer.seal("an object that stays");
    writer.capture("first");
    auto const places = writer.capture("second");
    writer.capture("third");
    REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", secret}}}}));
    writer.stop();
    record_bytes = disk->content("v/" + places.back().file).substr(places.back().offset, places.back().length);
    order = erasure_order({of_kind(*vault, "exhibit.sealed").front(), of_kind(*vault, "capture.result")[1]},
                          {of_kind(*vault, "note.added").front()});
  }
};

/// A run that ended as `plan` says.
struct Ended {
  World world;
  SimulatedDisk::Drop drop;
  bool acknowledged = false;

  Ended(FaultPlan plan, SimulatedDisk::Drop left_out) : drop(std::move(left_out)) {
    if (drop) world.disk->drop_syncs(drop);
    world.disk->plan(plan);
    Eraser eraser(*world.disk, 2);
    if (eraser.start() && eraser.erase(world.order)) acknowledged = bool(eraser.stop());
  }
};

/// What is wrong after the power cut that `after` is what is left of, and the next start.
std::string wrong_after(Ended const& ended, std::unique_ptr<SimulatedDisk> const& after) {
  World const& world = ended.world;
  auto const& drop = ended.drop;
  if (!drop) {
    Eraser next(*after, 1'000);
    if (auto started = next.start(); !started) return "start: " + line(started.error());
    if (auto stopped = next.stop(); !stopped) return "stop: " + line(stopped.error());
  }
  auto const vault = after->folder("v");
  auto const state = after->folder("s");
  VerifyOptions options;
  options.vkey = test_key().vkey(TestVault::origin);
  options.state = state.get();
  options.threads = 1;
  Verdict verdict = verify_vault(*vault, options);
  // A power cut brings stale partial tiles back; the next start sweeps them.
  if (drop)
    std::erase_if(verdict.problems, [](Problem const& problem) {
      return problem.what == What::added && problem.where.starts_with("log/tile/");
    });
  if (!verdict.ok() || !verdict.not_checked.empty()) return verdict.to_json().dump(1);
  bool const ordered = !of_kind(*vault, "entry.erased").empty();
  if (ended.acknowledged && !ordered) return "an acknowledged erasure is not in the log";
  auto left = files_with(*after, secret);
  for (std::string const& file : files_with(*after, world.record_bytes)) left.push_back(file);
  // Staging is what the next start looks through.
  if (drop) std::erase_if(left, [](std::string const& file) { return file.starts_with("v/staging/"); });
  if (ordered && !left.empty()) return "what is ordered gone is still there: " + left.front();
  if (!ordered && (left.size() < 3 || !after->exists("v/" + world.object)))
    return "something is gone that nothing orders gone";
  if (!after->exists("v/" + world.kept_object)) return "an object that stays is gone";
  if (ordered && verdict.erased.size() != 4) return "not every hole is listed";  // object, 2 records, entry
  return {};
}

}  // namespace

TEST_CASE("P1: whatever step of an erasure the power fails at, it is ordered and done, or it never was") {
  std::size_t steps = 0;
  {
    World world;
    std::size_t const before = world.disk->steps();
    Eraser quiet(*world.disk, 2);
    REQUIRE(quiet.start());
    REQUIRE(quiet.erase(world.order));
    REQUIRE(quiet.stop());
    steps = world.disk->steps() - before;
    CHECK(world.disk->accusations().empty());
  }
  CHECK(steps > 40);
  std::uint64_t const seeds = tries(64, 4);
  std::size_t worlds = 0;
  std::size_t different = 0;  // whose disk no other of the same run had
  for (std::size_t step = 1; step <= steps; ++step) {
    for (Fault const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done}) {
      Ended const ended({step, fault}, {});
      CHECK(ended.world.disk->accusations().empty());
      std::set<std::size_t> judged;
      for (std::uint64_t seed = 0; seed < seeds; ++seed, ++worlds) {
        auto const after = ended.world.disk->after_power_cut(seed);
        if (!judged.insert(after->fingerprint()).second) continue;
        ++different;
        CAPTURE(step);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(seed);
        std::string const wrong = wrong_after(ended, after);
        CHECK_MESSAGE(wrong.empty(), wrong);
      }
    }
  }
  MESSAGE(worlds << " power cuts over " << steps << " steps, " << different << " different disks");
  CHECK(different >= (full_counts() ? 7'000 : under_sanitizer ? 300 : 500));
}

TEST_CASE("P1: canary: an erasure that leaves out one kind of sync is caught") {
  for (std::string const path : {"objects", "warc", "log/tile/entries"}) {
    CAPTURE(path);
    std::size_t caught = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      auto const drop = [&path](std::string_view kind, std::string_view where) {
        // A rename is durable with either of its folders.
        bool const source = path == "warc" && where.ends_with("staging/sealing");
        return kind == "sync_folder" && (source || where.find(path) != std::string_view::npos);
      };
      // Ended in order, then the power fails: nothing of it may come back.
      Ended const ended({}, drop);
      if (!wrong_after(ended, ended.world.disk->after_power_cut(seed)).empty()) ++caught;
    }
    CHECK(caught > 0);
    Ended const ended({}, [](std::string_view, std::string_view) { return false; });
    std::string const wrong = wrong_after(ended, ended.world.disk->after_power_cut(0));
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}
