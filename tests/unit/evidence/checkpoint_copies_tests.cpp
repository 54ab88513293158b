// Copies of the last checkpoint elsewhere: written with each publish, compared at each start, never in the way.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "evidence/checkpoint_copies.h"
#include "evidence/custody_log.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"

namespace impound::evidence {
namespace {

constexpr char const* origin = "agent.example/evidence";

/// A log with copies in the folders a and b; those in `lost` cannot be opened.
struct Machine {
  std::unique_ptr<SimulatedDisk> disk = std::make_unique<SimulatedDisk>();
  SigningKey const& key = test_key(7);
  std::set<std::string> lost{};
  std::vector<std::string> told{};
  CheckpointCopies copies{{place("a"), place("b")}, [this](std::string const& line) { told.push_back(line); }};
  std::unique_ptr<Disk> vault, state;
  std::unique_ptr<CustodyLog> log;

  Machine() {
    vault = disk->folder("vault");
    state = disk->folder("state");
    REQUIRE(CustodyLog::create(*vault, *state, key, origin, "first"));
    disk->put_folder("a");
    disk->put_folder("b");
  }
  CheckpointCopies::Place place(std::string const& name) {
    return {"/" + name + "/copy", "copy", [this, name]() -> Result<std::unique_ptr<Disk>> {
              if (lost.contains(name)) return Error{Code::not_found, "cannot open the folder", "/" + name, {}};
              return disk->folder(name);
            }};
  }
  Result<void> open(Rollback rollback = Rollback::refuse) {
    log.reset();
    IMPOUND_TRY(opened, CustodyLog::open(*vault, *state, {.current = &key}, origin, rollback, &copies));
    log = std::move(opened);
    return ok();
  }
  void grow() {
    REQUIRE(log->append(std::vector<std::string>{"entry " + std::to_string(log->size())}));
    REQUIRE(log->publish());
  }
  std::string note() const { return disk->content("vault/log/checkpoint"); }
  /// Vault and STATE as they were; the copies stay.
  void put_back(SimulatedDisk const& before) {
    log.reset();
    for (std::string const& path : disk->files())
      if (path.starts_with("vault/") || path.starts_with("state/")) disk->erase(path);
    for (std::string const& path : before.files())
      if (path.starts_with("vault/") || path.starts_with("state/")) disk->put_file(path, before.content(path));
  }
};

TEST_CASE("checkpoint copies: made at the first start, replaced with each publish, one note long") {
  Machine m;
  REQUIRE(m.open());
  CHECK(m.told.size() == 2);  // there was none to compare with
  for (int i = 0; i < 3; ++i) {
    for (char const* path : {"a/copy", "b/copy"}) CHECK(m.disk->content(path) == m.note());
    m.grow();
  }
  REQUIRE(m.open());
  CHECK(m.told.size() == 2);
  auto const after = m.disk->after_power_cut(0);
  CHECK(after->content("a/copy") == m.note());
  CHECK(m.disk->accusations().empty());
}

TEST_CASE("P2: vault and STATE put back together are caught by a copy, and an operator may accept it") {
  Machine m;
  REQUIRE(m.open());
  auto const before = m.disk->after_kill();
  m.grow();
  m.put_back(*before);
  auto const opened = m.open();
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::rolled_back);
  CHECK(opened.error().where == "/a/copy");
  CHECK(opened.error().what == "the vault holds 1 entries, 2 were signed here");
  CHECK(opened.error().hint.find("--accept-rollback") != std::string::npos);
  m.disk->erase("a/copy");  // one is enough
  CHECK(m.open().error().where == "/b/copy");
  REQUIRE(m.open(Rollback::accept));
  CHECK(m.disk->content("b/copy") == m.note());
  m.grow();
  REQUIRE(m.open());
}

TEST_CASE("P2: a vault that was put back and has grown again contradicts its copy") {
  Machine m;
  REQUIRE(m.open());
  auto const before = m.disk->after_kill();
  m.grow();
  std::string const copy = m.disk->content("a/copy");
  m.put_back(*before);
  m.lost = {"a", "b"};
  REQUIRE(m.open());  // nobody there to tell
  REQUIRE(m.log->append(std::vector<std::string>{"another history"}));
  REQUIRE(m.log->publish());
  m.lost = {};
  CHECK(m.disk->content("a/copy") == copy);
  auto const opened = m.open();
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::rolled_back);
  CHECK(opened.error().where == "/a/copy");
  CHECK(opened.error().what.find("history") != std::string::npos);
}

TEST_CASE("checkpoint copies: an older one is no problem, it is brought up to the vault") {
  Machine m;
  REQUIRE(m.open());
  std::string const old_copy = m.disk->content("a/copy");
  m.grow();
  m.disk->erase("a/copy");
  m.disk->put_file("a/copy", old_copy);
  REQUIRE(m.open());
  CHECK(m.disk->content("a/copy") == m.note());
}

TEST_CASE("checkpoint copies: one of another vault, or changed, stops the start before it is overwritten") {
  for (std::string const& bytes :
       {std::string("not a note"), std::string(), sign_checkpoint({origin, 1, {}}, test_key(9)),
        sign_checkpoint({"other.example/log", 1, {}}, test_key(7))}) {
    Machine m;
    REQUIRE(m.open());
    m.disk->erase("b/copy");
    m.disk->put_file("b/copy", bytes);
    auto const opened = m.open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Code::damaged);
    CHECK(opened.error().where == "/b/copy");
    CHECK(m.disk->content("b/copy") == bytes);
  }
}

TEST_CASE("checkpoint copies: one that cannot be written is told of once an outage, and holds nothing up") {
  Machine m;
  REQUIRE(m.open());
  m.told.clear();
  m.lost = {"a"};
  for (int i = 0; i < 3; ++i) m.grow();
  REQUIRE(m.told.size() == 1);
  CHECK(m.told[0].find("/a/copy") != std::string::npos);
  CHECK(m.disk->content("b/copy") == m.note());
  CHECK(m.disk->content("a/copy") != m.note());
  m.lost = {};
  m.grow();
  CHECK(m.disk->content("a/copy") == m.note());
  REQUIRE(m.told.size() == 2);  // it is back
  m.lost = {"a"};
  m.grow();
  CHECK(m.told.size() == 3);
}

TEST_CASE("checkpoint copies: whatever step of a publish fails, no copy is ever ahead of STATE") {
  std::size_t steps = 0;
  {
    Machine m;
    REQUIRE(m.open());
    REQUIRE(m.log->append(std::vector<std::string>{"x"}));
    std::size_t const before = m.disk->steps();
    REQUIRE(m.log->publish());
    steps = m.disk->steps() - before;
  }
  CHECK(steps > 15);
  for (std::size_t step = 1; step <= steps; ++step)
    for (Fault const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done})
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        CAPTURE(step);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(seed);
        Machine m;
        REQUIRE(m.open());
        REQUIRE(m.log->append(std::vector<std::string>{"x"}));
        m.disk->plan({step, fault});
        (void)m.log->publish();
        m.log.reset();
        m.disk = m.disk->after_power_cut(seed);
        m.vault = m.disk->folder("vault");
        m.state = m.disk->folder("state");
        auto const opened = m.open();
        CHECK_MESSAGE(opened, (opened ? "" : line(opened.error())));
        if (opened) CHECK(m.disk->content("a/copy") == m.note());
      }
}

}  // namespace
}  // namespace impound::evidence
