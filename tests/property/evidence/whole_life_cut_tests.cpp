// The whole life of a vault under a power cut, a kill and a failing disk at every one of its steps: created, sealed
// into, stamped, its key rotated, some of it erased, closed. After the next start nothing that was acknowledged is lost
// or has moved, nothing is there that nobody wrote, holes are where they were ordered and nowhere else, the key's file
// is the log's, the vault verifies and takes more. A failed sync is final.
#include <cstdlib>
#include <unordered_set>

#include "evidence/verify/vault_check.h"
#include "tests/property/evidence/whole_life.h"
#include "tests/support/counts.h"
#include "tests/support/erasing.h"
#include "tests/support/test_key.h"

using namespace impound;
using namespace impound::evidence;

namespace {

constexpr Fault faults[] = {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done};

std::uint64_t size_of_note(std::string const& bytes) {
  if (bytes.empty()) return 0;
  auto const note = parse_note(bytes);
  auto const said = note ? checkpoint_from_text(note.value().text) : Result<Checkpoint>(note.error());
  return said ? said.value().size : ~std::uint64_t{0};
}

std::string wrong_with_verdict(Life& life, SimulatedDisk& disk, Ledger const& ledger, bool ordered) {
  VerifyOptions options;
  options.vkey = first_vkey();
  options.state = &life.state();
  options.threads = 1;
  // The newest that came out stands for those before it.
  options.old_checkpoints = {ledger.published.back(), disk.content("c/copy")};
  options.tsa_roots_pem = {life_authority().made.root_pem()};
  Verdict const verdict = verify_vault(life.vault(), options);
  if (!verdict.ok() || !verdict.not_checked.empty()) return verdict.to_json().dump(1);
  if (verdict.erased.size() != (ordered ? 2 : 0)) return "holes that nobody ordered, or not every hole is listed";
  return {};
}

/// Every entry against what was handed to the log, and every acknowledgement against the entries.
std::string wrong_with_entries(Life& life, Ledger const& ledger, std::set<std::uint64_t> const& blanks) {
  auto reader = life.read_log();
  if (!reader) return line(reader.error());
  std::uint64_t const size = reader.value().checkpoint().size;
  if (!ledger.acknowledged.empty() && ledger.acknowledged.rbegin()->first >= size)
    return "an acknowledged entry is not there";
  std::string wrong;
  auto const read = reader.value().each(0, size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
    auto const attempted = ledger.attempted.find(index);
    auto const acknowledged = ledger.acknowledged.find(index);
    if (bytes.empty()) {
      if (!blanks.contains(index)) wrong = "an entry is blank that nobody ordered blank";
    } else if (blanks.contains(index)) {
      wrong = "an entry that is ordered blank is still there";
    } else if (attempted == ledger.attempted.end() || !attempted->second.contains(std::string(bytes))) {
      wrong = "an entry is there that nobody wrote";
    } else if (acknowledged != ledger.acknowledged.end() && acknowledged->second != bytes) {
      wrong = "an acknowledged entry has another in its place";
    }
    return ok();
  });
  return read ? wrong : line(read.error());
}

/// The entries that the log orders blank.
std::set<std::uint64_t> ordered_blank(Life& life) {
  std::set<std::uint64_t> blanks;
  auto reader = life.read_log();
  if (!reader) return blanks;
  (void)reader.value().each(0, reader.value().checkpoint().size,
                            [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
                              if (bytes.empty()) return ok();
                              IMPOUND_TRY(entry, read_entry(index, bytes));
                              if (entry.kind() != "entry.erased") return ok();
                              IMPOUND_TRY(erased, erased_entry_from(entry));
                              blanks.insert(erased.index);
                              return ok();
                            });
  return blanks;
}

std::string pem_of(SigningKey const& key) {
  SimulatedDisk disk;
  SeededRandomness randomness(1);
  REQUIRE(key.write_new(disk, "pem", randomness));
  return disk.content("pem");
}

std::string wrong_with_keys(Life& life, SimulatedDisk& disk, Ledger const& ledger) {
  NoteKey const newest = life.log().keys().newest();
  bool const rotated = same_key(newest, second_public_key());
  if (!rotated && !same_key(newest, first_public_key())) return "a key nobody made signs";
  if (!rotated && ledger.rotated) return "an acknowledged rotation is undone";
  if (disk.exists("k/log.pem.next")) return "log.pem.next is left";
  static std::string const pems[] = {pem_of(test_key()), pem_of(second_key())};
  if (disk.content("k/log.pem") != pems[rotated ? 1 : 0]) return "the key's file is not the log's newest key";
  return {};
}

/// What is wrong with a disk that a life has ended on, and with the life after it.
std::string wrong_at_next_start(SimulatedDisk& disk, Ledger ledger) {
  if (!ledger.wrong.empty()) return ledger.wrong.front();
  if (size_of_note(disk.content("v/log/checkpoint")) > size_of_note(disk.content("s/last-checkpoint")))
    return "a checkpoint is out that STATE does not remember";
  // No vault, and nobody was told that there is one.
  if (!disk.exists("v/vault.toml")) return ledger.created ? "the vault is gone" : "";

  Life next(disk, ledger, 1'000);
  if (auto started = next.start(); !started) return "start: " + line(started.error());
  if (auto more = next.go_on(); !more) return "going on: " + line(more.error());
  if (std::string wrong = wrong_with_keys(next, disk, ledger); !wrong.empty()) return wrong;
  std::set<std::uint64_t> const blanks = ordered_blank(next);
  bool const ordered = !blanks.empty();
  if (ledger.erased && !ordered) return "an acknowledged erasure is not in the log";
  if (std::string wrong = wrong_with_verdict(next, disk, ledger, ordered); !wrong.empty()) return wrong;
  if (std::string wrong = wrong_with_entries(next, ledger, blanks); !wrong.empty()) return wrong;
  for (char const* secret : {secret_object, secret_note}) {
    auto left = files_with(disk, secret);
    // What lies in a worker's folder is not reached (erasure.h): here the name of a rename that was lost.
    std::erase_if(left, [](std::string const& path) { return path.starts_with("v/staging/swarm/"); });
    if (ordered && !left.empty()) return "what is ordered gone is still there: " + left.front();
  }
  if (!ledger.wrong.empty()) return ledger.wrong.front();
  return disk.accusations().empty() ? std::string{} : disk.accusations().front();
}

/// What a writer leaves out. None: the real one.
struct Omission {
  std::string name;
  SimulatedDisk::Drop drop{};
  bool destroy_first = false;
};

struct Explored {
  std::size_t worlds = 0;
  std::size_t different = 0;  // that none before was like, in what lies there or in what was acknowledged
  std::size_t failed_syncs = 0;
  std::size_t poisoned = 0;
  std::size_t wrong = 0;
  std::string first_wrong;
  std::unordered_set<std::size_t> seen{};
};

class Explorer {
 public:
  explicit Explorer(Omission omission = {}) : omission_(std::move(omission)) {}

  /// One life that ends as `plan` says, then a power cut by each seed; for some a start in between dies as well.
  void explore(FaultPlan plan, std::vector<std::uint64_t> const& seeds) {
    Ledger ledger;
    auto const disk = lived(plan, ledger);
    for (std::uint64_t const seed : seeds) {
      judge(*disk->after_power_cut(seed), ledger, plan, seed, "");
      if (!omission_.name.empty() || seed % 4 != 3) continue;
      FaultPlan const second{1 + (plan.step * 7 + seed * 11) % 40,
                             seed % 8 == 3 ? Fault::cut_before : Fault::cut_after};
      auto const again = seed % 16 < 8 ? disk->after_power_cut(seed, second) : disk->after_kill(second);
      started_again(*again, ledger, plan, second, {seed + 100});
    }
  }

  /// The life is killed at `plan`; the start on the same page cache is cut at each of its first steps.
  void explore_kill(FaultPlan plan, std::size_t seconds, std::vector<std::uint64_t> const& seeds) {
    Ledger ledger;
    auto const disk = lived(plan, ledger);
    for (std::size_t step = 1; step <= seconds; ++step) {
      FaultPlan const second{step, Fault::cut_after};
      started_again(*disk->after_kill(second), ledger, plan, second, seeds);
    }
  }

  Explored found;

 private:
  std::unique_ptr<SimulatedDisk> lived(FaultPlan plan, Ledger& ledger) {
    auto disk = before_life();
    FaultPlan counted = plan;
    counted.step += disk->steps();
    disk->plan(plan);
    if (omission_.drop) disk->drop_syncs(omission_.drop);
    (void)Life(*disk, ledger, 2, counted, omission_.destroy_first).whole();
    found.failed_syncs += ledger.failed_syncs;
    found.poisoned += ledger.poisoned;
    disk->drop_syncs({});
    return disk;
  }

  void started_again(SimulatedDisk& disk, Ledger ledger, FaultPlan plan, FaultPlan second,
                     std::vector<std::uint64_t> const& seeds) {
    if (disk.exists("v/vault.toml")) {
      Life recovering(disk, ledger, 3, second);
      if (recovering.start()) (void)recovering.stop();
    }
    std::string const more = ", the start after it cut at step " + std::to_string(second.step);
    for (std::uint64_t const seed : seeds) judge(*disk.after_power_cut(seed), ledger, plan, seed, more);
  }

  void judge(SimulatedDisk& after, Ledger const& ledger, FaultPlan plan, std::uint64_t seed, std::string const& more) {
    ++found.worlds;
    if (!found.seen.insert(after.fingerprint() * 31 + ledger.fingerprint()).second && ledger.wrong.empty()) return;
    ++found.different;
    std::string const wrong = wrong_at_next_start(after, ledger);
    if (wrong.empty() || found.wrong++ > 0) return;
    found.first_wrong = wrong + " (step=" + std::to_string(plan.step) +
                        " fault=" + std::to_string(static_cast<int>(plan.fault)) + " seed=" + std::to_string(seed) +
                        more + ")";
  }

  Omission omission_;
};

/// The lines of its trace.
std::vector<std::string> a_quiet_life() {
  auto const disk = before_life();
  auto const before = static_cast<std::ptrdiff_t>(disk->steps());
  Ledger ledger;
  Life quiet(*disk, ledger, 2);
  REQUIRE(quiet.whole());
  CHECK(ledger.wrong.empty());
  CHECK(ledger.erased);
  CHECK(ledger.rotated);
  CHECK(disk->accusations().empty());
  return {disk->trace().begin() + before, disk->trace().end()};
}

/// The first step that the omission changes: up to there the life is that of the real writer.
std::size_t first_left_out(Omission const& omission, std::vector<std::string> const& trace) {
  for (std::size_t i = 0; i < trace.size(); ++i) {
    std::string_view const step = trace[i];
    auto const space = std::min(step.find(' '), step.size() - 1);
    bool const left_out = omission.drop ? omission.drop(step.substr(0, space), step.substr(space + 1))
                                        : step.starts_with("remove v/objects/");
    if (left_out) return i + 1;
  }
  return trace.size() + 1;
}

/// All 64, or one that is another at every step.
std::vector<std::uint64_t> seeds_for(std::size_t step, Fault fault) {
  if (!full_counts()) return {(step * 4 + static_cast<std::uint64_t>(fault)) % 64};
  std::vector<std::uint64_t> seeds(64);
  for (std::uint64_t seed = 0; seed < seeds.size(); ++seed) seeds[seed] = seed;
  return seeds;
}

}  // namespace

TEST_CASE("P1: whatever step of its whole life the power fails at, a vault loses nothing and gains nothing") {
  std::size_t const steps = a_quiet_life().size();
  CHECK(steps >= 280);
  CHECK(steps <= 300);
  Explorer explorer;
  std::size_t pair = 0;
  for (std::size_t step = 1; step <= steps; ++step)
    for (Fault const fault : faults)
      if (!under_sanitizer || pair++ % 5 == 0) explorer.explore({step, fault}, seeds_for(step, fault));
  Explored const& found = explorer.found;
  MESSAGE(steps << " steps, " << found.worlds << " power cuts, " << found.different << " different disks, "
                << found.failed_syncs << " failed syncs answered, " << found.poisoned << " logs stopped");
  std::size_t const fewer = under_sanitizer ? 6 : 1;
  CHECK(found.worlds >= (full_counts() ? 90'000 : 1'400) / fewer);
  CHECK(found.different >= (full_counts() ? 12'000 : 1'000) / fewer);
  CHECK(found.failed_syncs >= 300 / fewer);
  CHECK(found.poisoned >= 700 / fewer);
  INFO(found.first_wrong);
  CHECK(found.wrong == 0);
}

TEST_CASE("P1: killed while it closes, and the start on the same page cache cut as well, a vault loses nothing") {
  std::size_t const steps = a_quiet_life().size();
  Explorer explorer;
  for (std::size_t step = steps - (full_counts() ? 100 : 12); step <= steps; ++step)
    explorer.explore_kill({step, Fault::cut_after}, 12, {0, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  Explored const& found = explorer.found;
  MESSAGE(found.worlds << " power cuts, " << found.different << " different disks");
  CHECK(found.worlds >= 1'500);
  CHECK(found.different >= 150);
  INFO(found.first_wrong);
  CHECK(found.wrong == 0);
}

TEST_CASE("P1: canary: a vault whose writer leaves out one thing of its whole life is caught") {
  auto const drop = [](std::string kind, std::string part) -> SimulatedDisk::Drop {
    return [kind, part](std::string_view called, std::string_view path) {
      return called == kind && (path == part || (part.size() > 1 && path.find(part) != path.npos));
    };
  };
  Omission const omissions[] = {
      {"the sync of the journal", drop("sync", "v/journal.")},
      {"the sync of a tile", drop("sync", "v/log/tile/0/")},
      {"the sync of a bundle", drop("sync", "v/log/tile/entries/")},
      {"the sync of log/checkpoint", drop("sync", "v/log/checkpoint.tmp")},
      {"the sync of last-checkpoint", drop("sync", "s/last-checkpoint")},
      {"STATE's folder: the checkpoint is out before it", drop("sync_folder", "s")},
      {"the sync of an object", drop("sync", "v/staging/sealing/1-")},
      {"the folder of an object", drop("sync_folder", "v/objects/")},
      {"the sync of a capture", drop("sync", "v/warc/")},
      {"the sync of a kept checkpoint", drop("sync", "v/log/checkpoints/")},
      {"the sync of a token", drop("sync", ".tsr.tmp")},
      {"the folder of a token", drop("sync_folder", "v/timestamps/")},
      {"the sync of KEY.next", drop("sync", "k/log.pem.next")},
      {"the folder of KEY", drop("sync_folder", "k")},
      {"the order before the destruction", {}, true},
  };
  std::vector<std::string> const trace = a_quiet_life();
  std::size_t worlds = 0;
  for (Omission const& omission : omissions) {
    CAPTURE(omission.name);
    Explorer explorer(omission);
    std::size_t step = first_left_out(omission, trace);
    REQUIRE(step <= trace.size());
    for (; step <= trace.size() && explorer.found.wrong == 0; ++step)
      explorer.explore({step, Fault::cut_after}, {0, 2, 3});
    worlds += explorer.found.worlds;
    CHECK(explorer.found.wrong > 0);
  }
  MESSAGE(std::size(omissions) << " writers that leave out one thing, caught in " << worlds << " power cuts");
}
