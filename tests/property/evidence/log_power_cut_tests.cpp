// The log on a disk that fails at every step: what was acknowledged is there afterwards, at the index that was told,
// and no checkpoint that a reader may have seen is ever taken back.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "tests/support/counts.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/whole_log.h"

namespace impound::evidence {
namespace {

constexpr char const* origin = "agent.example/evidence";
constexpr Fault faults[] = {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done};

std::uint64_t seeds() { return tries(64, 6); }

/// Entries that differ, some shorter and some longer than a sector.
std::string entry(std::size_t number) {
  std::string text = "{\"n\":" + std::to_string(number) + "}";
  return text + std::string(number % 7 == 3 ? 1'200 : number % 5 * 9, static_cast<char>('a' + number % 26));
}

struct Run {
  std::vector<std::string> attempted;
  std::map<std::uint64_t, std::string> acknowledged;  // by the index that append told
};

/// A process's life: what fails is noted, and the next thing is tried all the same.
class Life {
 public:
  Life(SimulatedDisk& disk, Run& run) : vault_(disk.folder("vault")), state_(disk.folder("state")), run_(run) {}

  void create() {
    std::string const first = entry(run_.attempted.size());
    run_.attempted.push_back(first);
    auto made = CustodyLog::create(*vault_, *state_, test_key(), origin, first);
    if (!made) return;
    run_.acknowledged[0] = first;
    log_ = std::move(made).value();
  }
  void open() {
    log_.reset();
    auto opened = CustodyLog::open(*vault_, *state_, test_key(), origin);
    if (opened)
      log_ = std::move(opened).value();
    else
      failure = line(opened.error());
  }
  void append(std::size_t count) {
    std::vector<std::string> group;
    for (std::size_t i = 0; i < count; ++i) group.push_back(entry(run_.attempted.size() + i));
    run_.attempted.insert(run_.attempted.end(), group.begin(), group.end());
    if (!log_) return;
    auto index = log_->append(group);
    if (!index) return;
    for (std::string& text : group) run_.acknowledged[index.value()++] = std::move(text);
  }
  void publish() {
    if (log_) (void)log_->publish();
  }
  bool is_open() const { return log_ != nullptr; }
  Disk& vault() { return *vault_; }
  std::string failure;

 private:
  std::unique_ptr<Disk> vault_;
  std::unique_ptr<Disk> state_;
  Run& run_;
  std::unique_ptr<CustodyLog> log_;
};

Run scenario(SimulatedDisk& disk) {
  Run run;
  Life life(disk, run);
  life.create();
  life.append(2);
  life.publish();
  life.append(300);
  life.append(1);
  life.publish();
  life.append(2);
  life.open();  // the journal holds two entries
  life.append(1);
  life.publish();
  life.append(3);
  return run;
}

/// A publish of so many tiles that they are synced all at once, and one after it.
Run large_publish(SimulatedDisk& disk) {
  Run run;
  Life life(disk, run);
  life.create();
  life.append(1'100);
  life.publish();
  life.append(1);
  life.publish();
  return run;
}

/// What is wrong with the log that the next start finds; empty when nothing is.
std::string judge(Run run, SimulatedDisk const& before, SimulatedDisk& after) {
  std::string const seen = before.content("vault/log/checkpoint");
  Life next(after, run);
  next.open();
  if (!next.is_open()) return run.acknowledged.empty() && seen.empty() ? std::string{} : "no start: " + next.failure;
  auto const judged = [&]() -> std::string {
    WholeLog const log = whole_log(next.vault(), test_key().vkey(origin));
    if (!log.faults.empty()) return log.faults.front();
    for (auto const& [index, text] : run.acknowledged)
      if (index >= log.size || log.entries[index] != text)
        return "acknowledged entry " + std::to_string(index) + " is lost";
    auto at = run.attempted.begin();
    for (std::string const& found : log.entries) {
      at = std::find(at, run.attempted.end(), found);
      if (at == run.attempted.end()) return "an entry nobody wrote, or in another order";
      ++at;
    }
    if (!seen.empty()) {
      auto const note = read_checkpoint(seen, test_key().public_key(origin));
      if (!note) return "readers saw a checkpoint that does not verify";
      if (note.value().size > log.size || log.root_at(note.value().size) != note.value().root)
        return "a checkpoint that readers saw is taken back";
    }
    if (after.content("vault/journal.0").size() + after.content("vault/journal.1").size() != 0)
      return "journals are not empty";
    return {};
  };
  if (std::string fault = judged(); !fault.empty()) return fault;
  next.append(2);
  next.publish();
  if (!run.acknowledged.empty() && run.attempted.back() != run.acknowledged.rbegin()->second)
    return "the log takes nothing more";
  if (std::string fault = judged(); !fault.empty()) return "later: " + fault;
  return after.accusations().empty() ? std::string{} : after.accusations().front();
}

struct Explored {
  std::size_t steps = 0;
  std::size_t runs = 0;
  std::size_t different = 0;  // runs whose disk no run before had
  std::size_t wrong = 0;
  std::string first_wrong;
};

using Scenario = Run (*)(SimulatedDisk&);

Explored explore(Scenario scenario_run, std::uint64_t seed_count, SimulatedDisk::Drop const& drop, bool stop_at_first) {
  Explored found;
  {
    SimulatedDisk quiet;
    quiet.drop_syncs(drop);
    scenario_run(quiet);
    found.steps = quiet.steps();
  }
  for (std::size_t step = 1; step <= found.steps; ++step) {
    for (Fault const fault : faults) {
      SimulatedDisk first({step, fault});
      first.drop_syncs(drop);
      Run const run = scenario_run(first);
      // A new process on the old page cache, before the power fails as well: what it shows, it owes.
      auto killed = first.after_kill();
      Run continued = run;
      {
        Life life(*killed, continued);
        life.open();
        life.append(2);
        life.publish();
        life.append(1);
      }
      std::set<std::size_t> judged;
      std::set<std::size_t> judged_continued;
      for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
        auto const end = [&](Run const& life, SimulatedDisk const& before, std::set<std::size_t>& known,
                             char const* ending) {
          ++found.runs;
          auto const after = before.after_power_cut(seed);
          if (!known.insert(after->fingerprint()).second) return;
          ++found.different;
          std::string const fault_found = judge(life, before, *after);
          if (fault_found.empty()) return;
          if (found.wrong++ == 0)
            found.first_wrong = fault_found + " (step=" + std::to_string(step) +
                                " fault=" + std::to_string(static_cast<int>(fault)) + " seed=" + std::to_string(seed) +
                                " ending=" + ending +
                                " at: " + (first.trace().size() >= step ? first.trace()[step - 1] : "") + ")";
        };
        end(run, first, judged, "power cut");
        end(continued, *killed, judged_continued, "kill, then power cut");
        if (stop_at_first && found.wrong > 0) return found;
      }
    }
  }
  return found;
}

TEST_CASE("P1: whatever step the power fails at, every acknowledged entry is there, in order") {
  Explored const found = explore(scenario, seeds(), nullptr, false);
  MESSAGE("cut points: ", found.steps, ", runs: ", found.runs, ", different: ", found.different);
  CHECK(found.steps >= 60);
  INFO(found.first_wrong);
  CHECK(found.wrong == 0);
}

TEST_CASE("P1: canaries: a log on a disk that drops one kind of sync does not pass") {
  struct Canary {
    char const* kind;
    char const* path;  // how it ends
  };
  for (Canary const canary :
       {Canary{"sync", "journal.0"}, Canary{"sync", "journal.1"}, Canary{"sync", "tile/entries/000.tmp"},
        Canary{"sync", "tile/0/000.tmp"}, Canary{"sync", "tile/1/000.p/1.tmp"}, Canary{"sync", "last-checkpoint.tmp"},
        Canary{"sync", "log/checkpoint.tmp"}, Canary{"sync_folder", "log/tile/entries"},
        Canary{"sync_folder", "log/tile/0"}, Canary{"sync_folder", "log/tile"}, Canary{"sync_folder", "vault/log"},
        Canary{"sync_folder", "state"}, Canary{"sync_folder", "vault"}}) {
    INFO("dropped: " << std::string(canary.kind) << " " << std::string(canary.path));
    auto const drop = [canary](std::string_view kind, std::string_view path) {
      return kind == canary.kind && path.ends_with(canary.path);
    };
    Explored const found = explore(scenario, 8, drop, true);
    CHECK(found.wrong > 0);
  }
}

TEST_CASE("P1: a publish that syncs everything at once loses nothing either, and its sync is needed") {
  Explored const found = explore(large_publish, (seeds() + 1) / 2, nullptr, false);
  MESSAGE("cut points: ", found.steps, ", runs: ", found.runs, ", different: ", found.different);
  CHECK(found.steps >= 40);
  INFO(found.first_wrong);
  CHECK(found.wrong == 0);
  auto const drop = [](std::string_view kind, std::string_view) { return kind == "sync_everything"; };
  CHECK(explore(large_publish, 8, drop, true).wrong > 0);
}

TEST_CASE("P1: a quiet run costs the syncs it costs") {
  SimulatedDisk disk;
  Run run;
  Life life(disk, run);
  life.create();
  auto const syncs_of = [&](auto const& act) {
    std::size_t const from = disk.trace().size();
    act();
    std::size_t syncs = 0;
    for (std::size_t i = from; i < disk.trace().size(); ++i) syncs += disk.trace()[i].starts_with("sync");
    return syncs;
  };
  CHECK(syncs_of([&] { life.append(1); }) == 1);
  CHECK(syncs_of([&] { life.append(100); }) == 1);
  // Two partial tiles, their two folders, last-checkpoint and log/checkpoint with a folder each, the emptied journal.
  CHECK(syncs_of([&] { life.publish(); }) == 2 + 2 + 2 + 2 + 1);
  CHECK(syncs_of([&] { life.publish(); }) == 0);
  CHECK(syncs_of([&] { life.append(1'000); }) == 1);
  // Eleven tiles and bundles at once, the seven folders that got a name, and the rest as before.
  CHECK(syncs_of([&] { life.publish(); }) == 1 + 7 + 2 + 2 + 1);
  CHECK(disk.accusations().empty());
}

TEST_CASE("P1: a failed append poisons the log, and nothing is acknowledged until the next start") {
  SimulatedDisk disk;
  Run run;
  Life life(disk, run);
  life.create();
  disk.plan({2, Fault::fail_undone});  // the sync of the journal
  life.append(1);
  std::size_t const acknowledged = run.acknowledged.size();
  CHECK(acknowledged == 1);
  life.append(1);
  life.publish();
  CHECK(run.acknowledged.size() == acknowledged);
  life.open();
  life.append(1);
  CHECK(run.acknowledged.size() == acknowledged + 1);
}

}  // namespace
}  // namespace impound::evidence
