// A rotation of the log's key under a power cut at every step, from the new key's file to the old key's end. After the
// next start the key's file is that of the log's newest key, nothing named .next is left, the vault verifies from the
// first key, and a rotation that was acknowledged has happened.
#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "evidence/checkpoint_copies.h"
#include "evidence/custody_log.h"
#include "evidence/key_files.h"
#include "evidence/log_reader.h"
#include "evidence/vault.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/counts.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

NoteKey public_key_of(unsigned char fill) { return test_key(fill).public_key(TestVault::origin); }

constexpr unsigned char second = 8;
constexpr unsigned char third = 9;

/// A run of the agent in small, over the vault, its STATE, its key's folder and one copy of the last checkpoint.
struct Session {
  std::unique_ptr<Disk> vault, state, keys_folder;
  FakeClock clock;
  SeededRandomness randomness;
  KeyFiles keys;
  CheckpointCopies copies;
  EntryMaker maker{clock, randomness};
  std::unique_ptr<CustodyLog> log;
  std::vector<std::string> acknowledged;
  std::vector<unsigned char> rotated_to;

  Session(SimulatedDisk& disk, std::uint64_t seed)
      : vault(disk.folder("v")),
        state(disk.folder("s")),
        keys_folder(disk.folder("k")),
        randomness(seed),
        keys(*keys_folder, "log.pem", {SimulatedDisk::owner, false}),
        copies({{"/c/copy", "copy", [&disk]() -> Result<std::unique_ptr<Disk>> { return disk.folder("c"); }}},
               [](std::string const&) {}) {}

  Result<void> append(EntryDraft const& draft) {
    IMPOUND_TRY(entry, maker.make(draft));
    IMPOUND_CHECK(log->append(std::span{&entry.bytes, 1}));
    acknowledged.push_back(entry.bytes);
    return ok();
  }

  Result<void> start() {
    IMPOUND_CHECK(keys.load({}));
    LogKeys const at_hand{&keys.current(), keys.next(), test_key().public_key(TestVault::origin)};
    IMPOUND_TRY(opened, CustodyLog::open(*vault, *state, at_hand, TestVault::origin, Rollback::refuse, &copies));
    log = std::move(opened);
    IMPOUND_CHECK(keys.settle(log->keys().newest()));
    EntryId const session = EntryId::make(clock, randomness);
    IMPOUND_CHECK(append({.kind = "agent.started", .body = {{"version", "0.1.0"}}, .id = session}));
    maker.session(session);
    return ok();
  }

  Result<void> rotate(unsigned char fill) {
    IMPOUND_CHECK(log->publish());
    IMPOUND_CHECK(keys.write_next(make_test_key(fill), randomness, nullptr));
    Json const body = rotation_body(log->signing_key(), *keys.next(), log->checkpoint(), "");
    IMPOUND_TRY(entry, maker.make({.kind = "key.rotated", .body = body}));
    IMPOUND_CHECK(log->rotate(entry.bytes, *keys.next()));
    acknowledged.push_back(entry.bytes);
    rotated_to.push_back(fill);
    IMPOUND_CHECK(keys.settle(log->keys().newest()));
    return ok();
  }

  Result<void> stop() {
    IMPOUND_CHECK(append({.kind = "agent.stopped"}));
    return log->publish();
  }

  Result<void> work() {
    IMPOUND_CHECK(append({.kind = "note.added", .body = {{"text", "before"}}}));
    IMPOUND_CHECK(rotate(second));
    return append({.kind = "note.added", .body = {{"text", "after"}}});
  }
};

std::unique_ptr<SimulatedDisk> made_once() {
  auto disk = std::make_unique<SimulatedDisk>();
  for (char const* folder : {"v", "s", "k", "c"}) disk->put_folder(folder);
  auto const vault = disk->folder("v");
  auto const state = disk->folder("s");
  TestVault writer(*vault, *state, SimulatedDisk::owner);
  writer.stop();
  SeededRandomness randomness(1);
  REQUIRE(test_key().write_new(*disk->folder("k"), "log.pem", randomness));
  return disk;
}

std::unique_ptr<SimulatedDisk> prepared() {
  static std::unique_ptr<SimulatedDisk> const made = made_once();
  return made->after_power_cut(1);
}

std::string wrong_with_vault(SimulatedDisk& disk, std::vector<std::string> const& acknowledged) {
  auto const vault = disk.folder("v");
  auto const state = disk.folder("s");
  VerifyOptions options;
  options.vkey = test_key().vkey(TestVault::origin);
  options.state = state.get();
  options.threads = 1;
  options.old_checkpoints = {disk.content("c/copy")};
  Verdict const verdict = verify_vault(*vault, options);
  if (!verdict.ok() || !verdict.not_checked.empty()) return verdict.to_json().dump(1);
  std::vector<std::string> there;
  auto reader = LogReader::open(*vault, *options.vkey);
  if (!reader) return line(reader.error());
  auto const read = reader.value().each(0, reader.value().checkpoint().size,
                                        [&](std::uint64_t, std::string_view bytes) -> Result<void> {
                                          there.emplace_back(bytes);
                                          return ok();
                                        });
  if (!read) return line(read.error());
  auto at = there.begin();
  for (std::string const& entry : acknowledged) {
    at = std::find(at, there.end(), entry);
    if (at == there.end()) return "an acknowledged entry is not there, or not in order";
  }
  return {};
}

/// Of the file that holds the first key: its bytes must be gone before its name is.
std::string wrong_order(std::vector<std::string> const& trace) {
  auto const at = [&](std::string_view step) {
    return std::find_if(trace.begin(), trace.end(), [&](std::string const& line) { return line.starts_with(step); });
  };
  auto const renamed = at("rename k/log.pem.next");
  auto const wiped = at("write k/log.pem ");
  auto const synced =
      std::find_if(wiped, trace.end(), [](std::string const& line) { return line == "sync k/log.pem"; });
  if (renamed == trace.end() || wiped == trace.end()) return "no step wiped the old key, or none named the new one";
  return synced < renamed ? std::string{} : "the old key lost its name before its bytes";
}

/// What is wrong after the next start, which rotates once more.
std::string wrong_at_next_start(SimulatedDisk& disk, Session const& before) {
  Session next(disk, 1'000);
  if (auto started = next.start(); !started) return "start: " + line(started.error());
  NoteKey const newest = next.log->keys().newest();
  bool const rotated = same_key(newest, public_key_of(second));
  if (!rotated && !same_key(newest, test_key().public_key(TestVault::origin))) return "a key nobody made signs";
  if (!rotated && !before.rotated_to.empty()) return "an acknowledged rotation is undone";
  if (disk.exists("k/log.pem.next")) return "log.pem.next is left";
  auto const on_disk = SigningKey::load(*next.keys_folder, "log.pem");
  if (!on_disk || !same_key(on_disk.value().public_key(TestVault::origin), newest))
    return "the key's file is not the log's newest key";
  if (auto stopped = next.stop(); !stopped) return "stop: " + line(stopped.error());
  if (std::string wrong = wrong_with_vault(disk, before.acknowledged); !wrong.empty()) return wrong;

  Session later(disk, 1'001);
  if (auto started = later.start(); !started) return "later start: " + line(started.error());
  if (auto again = later.rotate(third); !again) return "later rotation: " + line(again.error());
  if (auto stopped = later.stop(); !stopped) return "later stop: " + line(stopped.error());
  if (std::string wrong = wrong_with_vault(disk, before.acknowledged); !wrong.empty()) return "later: " + wrong;
  return disk.accusations().empty() ? std::string{} : disk.accusations().front();
}

struct Explored {
  std::size_t worlds = 0;
  std::size_t wrong = 0;
  std::string first_wrong;
  // Each disk with what had been acknowledged on it: the same again is not judged again.
  std::set<std::pair<std::size_t, std::vector<std::string>>> judged;
};

/// One session that ends as `plan` says, then a power cut by each seed, with and without a start in between that dies
/// as well.
void explore(FaultPlan plan, std::uint64_t seeds, SimulatedDisk::Drop const& drop, Explored& found) {
  auto const disk = prepared();
  if (drop) disk->drop_syncs(drop);
  disk->plan(plan);
  Session session(*disk, 2);
  if (session.start() && session.work()) (void)session.stop();
  auto const accused = [&](SimulatedDisk const& one) {
    if (!one.accusations().empty() && found.wrong++ == 0) found.first_wrong = one.accusations().front();
  };
  accused(*disk);
  auto const judge = [&](std::unique_ptr<SimulatedDisk> const& after, std::uint64_t seed, char const* ending) {
    ++found.worlds;
    if (!found.judged.insert({after->fingerprint(), session.acknowledged}).second) return;
    std::string const wrong = wrong_at_next_start(*after, session);
    if (wrong.empty() || found.wrong++ > 0) return;
    found.first_wrong = wrong + " (step=" + std::to_string(plan.step) +
                        " fault=" + std::to_string(static_cast<int>(plan.fault)) + " seed=" + std::to_string(seed) +
                        " ending=" + ending + ")";
  };
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    judge(disk->after_power_cut(seed), seed, "power cut");
    // A new process on the same page cache, cut while it recovers.
    auto const killed =
        disk->after_kill({1 + (plan.step * 7 + seed * 11) % 40, seed % 2 == 0 ? Fault::cut_before : Fault::cut_after});
    {
      Session recovering(*killed, 3);
      if (recovering.start()) (void)recovering.stop();
    }
    accused(*killed);
    judge(killed->after_power_cut(seed), seed, "a start that was cut");
  }
}

}  // namespace

TEST_CASE("P1: whatever step of a rotation the power fails at, the next start finishes or undoes it") {
  std::size_t steps = 0;
  {
    auto const disk = prepared();
    std::size_t const before = disk->steps();
    Session quiet(*disk, 2);
    REQUIRE(quiet.start());
    REQUIRE(quiet.work());
    REQUIRE(quiet.stop());
    steps = disk->steps() - before;
    CHECK(disk->accusations().empty());
    CHECK(quiet.rotated_to.size() == 1);
    CHECK(wrong_order(disk->trace()) == "");
    CHECK(disk->content("k/log.pem").find("PRIVATE KEY") != std::string::npos);
  }
  CHECK(steps > 60);
  CHECK(steps <= 300);
  Explored found;
  // Every step and every fault, and all pairs of them with the full counts.
  std::size_t pair = 0;
  for (std::size_t step = 1; step <= steps; ++step)
    for (Fault const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done})
      if (full_counts() || pair++ % 3 == 0) explore({step, fault}, tries(64, 4), {}, found);
  MESSAGE(found.worlds << " power cuts over " << steps << " steps, " << found.judged.size() << " different disks");
  INFO(found.first_wrong);
  CHECK(found.wrong == 0);
  CHECK(found.judged.size() >= (full_counts() ? 2'000 : under_sanitizer ? 50 : 250));
}

TEST_CASE("P1: canary: a rotation that leaves out one sync of its key files is caught") {
  struct Canary {
    char const* kind;
    char const* path;
  };
  for (Canary const canary : {Canary{"sync", "k/log.pem.next"}, Canary{"sync_folder", "k"}}) {
    CAPTURE(std::string(canary.kind));
    CAPTURE(std::string(canary.path));
    auto const drop = [canary](std::string_view kind, std::string_view path) {
      return kind == canary.kind && path == canary.path;
    };
    Explored found;
    for (std::size_t step = 1; step <= 100 && found.wrong == 0; ++step)
      explore({step, Fault::cut_after}, 6, drop, found);
    CHECK(found.wrong > 0);
  }
}
