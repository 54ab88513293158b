// Key, checkpoint, log and reader: what they write, what they refuse.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "evidence/log_reader.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/whole_log.h"

namespace impound::evidence {
namespace {

using Entries = std::vector<std::string>;
constexpr char const* origin = "agent.example/evidence";

struct Machine {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault = disk.folder("vault");
  std::unique_ptr<Disk> state = disk.folder("state");
  SigningKey const& key = test_key(7);
  std::unique_ptr<CustodyLog> log;

  void create() {
    auto made = CustodyLog::create(*vault, *state, key, origin, "first");
    REQUIRE(made);
    log = std::move(made).value();
  }
  void append(std::size_t count) {
    Entries entries;
    for (std::size_t i = 0; i < count; ++i) entries.push_back("entry " + std::to_string(log->size() + i));
    REQUIRE(log->append(entries));
  }
  void grow(std::size_t count) {
    append(count);
    REQUIRE(log->publish());
  }
  Result<void> open(Rollback rollback = Rollback::refuse) {
    log.reset();
    auto opened = CustodyLog::open(*vault, *state, key, origin, rollback);
    if (!opened) return std::move(opened).error();
    log = std::move(opened).value();
    return ok();
  }
  std::string put_aside(std::string const& path) { return disk.content(path); }
  void put(std::string const& path, std::string const& bytes) {
    disk.erase(path);
    disk.put_file(path, bytes);
  }
};

TEST_CASE("checkpoint: three lines, signed under the origin's name") {
  SigningKey const& key = test_key(7);
  Checkpoint const checkpoint{origin, 7, {}};
  std::string const note = sign_checkpoint(checkpoint, key);
  CHECK(sign_checkpoint(checkpoint, key) == note);
  CHECK(read_checkpoint(note, key.public_key(origin)).value() == checkpoint);
  CHECK(read_checkpoint(note, key.public_key("other")).error().code == Code::refused);
  CHECK(read_checkpoint(note, test_key(8).public_key(origin)).error().code == Code::refused);
  CHECK(read_checkpoint(key.sign_note(origin, "other\n7\n" + std::string(43, 'A') + "=\n"), key.public_key(origin))
            .error()
            .code == Code::refused);
  for (char const* bad : {"", "o\n7\n", "o\n07\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                          "o\n-7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "o\n7\nAAAA\n",
                          "\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                          "o\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore\n",
                          "o\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"}) {
    CAPTURE(std::string(bad));
    CHECK(checkpoint_from_text(bad).error().code == Code::malformed);
  }
}

TEST_CASE("last checkpoint: only the expected one is replaced") {
  SimulatedDisk disk;
  CHECK(swap_last_checkpoint(disk, "one", "two").error().code == Code::rolled_back);
  REQUIRE(swap_last_checkpoint(disk, std::nullopt, "one"));
  CHECK(swap_last_checkpoint(disk, std::nullopt, "two").error().code == Code::rolled_back);
  CHECK(swap_last_checkpoint(disk, "two", "three").error().code == Code::rolled_back);
  REQUIRE(swap_last_checkpoint(disk, "one", "two"));
  CHECK(disk.content("last-checkpoint") == "two");
  NoteKey const key = test_key(7).public_key(origin);
  CHECK(read_last_checkpoint(disk, {&key, 1}).error().code == Code::damaged);
}

TEST_CASE("custody log: sizes around the edges of tiles are whole, also after a start at each") {
  for (std::size_t const size : {1U, 2U, 255U, 256U, 257U, 511U, 512U, 513U, 700U}) {
    Machine m;
    m.create();
    if (size > 1) m.grow(size - 1);
    CAPTURE(size);
    WholeLog const log = whole_log(*m.vault, m.key.vkey(origin));
    CHECK(log.faults == Entries{});
    CHECK(log.size == size);
    CHECK(m.disk.content("vault/log/checkpoint") == m.disk.content("state/last-checkpoint"));
    REQUIRE(m.open());
    m.grow(3);
    CHECK(whole_log(*m.vault, m.key.vkey(origin)).faults == Entries{});
    CHECK(m.log->published_size() == size + 3);
  }
}

TEST_CASE("custody log: many small publishes make the same tree as one") {
  Machine steps;
  steps.create();
  for (std::size_t i = 0; i < 300; ++i) steps.grow(1 + i % 3);
  Machine once;
  once.create();
  once.grow(steps.log->size() - 1);
  CHECK(steps.log->checkpoint() == once.log->checkpoint());
  CHECK(steps.disk.files() == once.disk.files());
  CHECK(whole_log(*steps.vault, steps.key.vkey(origin)).faults == Entries{});
}

TEST_CASE("custody log: a full journal is published by the append that finds no room") {
  Machine m;
  m.create();
  m.append(4'000);
  CHECK(m.log->published_size() == 1);
  m.append(4'000);
  CHECK(m.log->published_size() == 4'001);
  m.append(96);
  CHECK(m.log->published_size() == 4'001);
  REQUIRE(m.log->publish());
  CHECK(whole_log(*m.vault, m.key.vkey(origin)).faults == Entries{});
}

TEST_CASE("custody log: what cannot be appended leaves the log usable") {
  Machine m;
  m.create();
  for (Entries const& bad : {Entries{}, Entries{""}, Entries{"a", std::string(65'536, 'x')}, Entries(4'097, "x")})
    CHECK(m.log->append(bad).error().code == Code::refused);
  CHECK(m.log->append(Entries{std::string(65'535, 'x')}).value() == 1);
  REQUIRE(m.log->publish());
  CHECK(whole_log(*m.vault, m.key.vkey(origin)).faults == Entries{});
}

TEST_CASE("custody log: an append that finds the disk full can be tried again") {
  Machine m;
  m.create();
  m.append(3);
  std::string const journal = m.disk.content("vault/journal.1") + m.disk.content("vault/journal.0");
  m.disk.capacity(10);
  CHECK(m.log->append(Entries{"x"}).error().code == Code::no_space);
  CHECK(m.disk.content("vault/journal.1") + m.disk.content("vault/journal.0") == journal);
  CHECK_FALSE(m.log->poisoned());
  m.disk.capacity(std::nullopt);
  m.grow(2);
  CHECK(m.log->published_size() == 6);
  CHECK(whole_log(*m.vault, m.key.vkey(origin)).faults == Entries{});
}

TEST_CASE("custody log: a second one is not made, and none is not opened") {
  Machine m;
  CHECK(m.open().error().code == Code::not_found);
  m.create();
  CHECK(CustodyLog::create(*m.vault, *m.state, m.key, origin, "x").error().code == Code::exists);
  m.disk.erase("vault/log/checkpoint");
  CHECK(CustodyLog::create(*m.vault, *m.state, m.key, origin, "x").error().code == Code::exists);
}

TEST_CASE("custody log: entries of the journal are recovered and counted") {
  Machine m;
  m.create();
  m.append(5);
  REQUIRE(m.open());
  CHECK(m.log->recovered_entries() == 5);
  CHECK(m.log->published_size() == 6);
  CHECK(m.disk.content("vault/journal.0").empty());
  CHECK(m.disk.content("vault/journal.1").empty());
  REQUIRE(m.open());
  CHECK(m.log->recovered_entries() == 0);
}

TEST_CASE("P2: a vault put back to an earlier state is refused, and taken only when the operator says so") {
  Machine m;
  m.create();
  m.grow(5);
  auto const before = m.disk.after_kill();
  m.grow(5);
  std::string const last = m.disk.content("state/last-checkpoint");
  auto const vault = before->folder("vault");
  auto const state = before->folder("state");
  before->erase("state/last-checkpoint");
  before->put_file("state/last-checkpoint", last);
  CHECK(CustodyLog::open(*vault, *state, m.key, origin).error().code == Code::rolled_back);
  auto accepted = CustodyLog::open(*vault, *state, m.key, origin, Rollback::accept);
  REQUIRE(accepted);
  CHECK(accepted.value()->size() == 6);
  CHECK(before->content("state/last-checkpoint") == before->content("vault/log/checkpoint"));
  accepted.value().reset();
  CHECK(CustodyLog::open(*vault, *state, m.key, origin));
}

TEST_CASE("P2: a state folder that forgot is refused") {
  Machine m;
  m.create();
  m.disk.erase("state/last-checkpoint");
  CHECK(m.open().error().code == Code::rolled_back);
  REQUIRE(m.open(Rollback::accept));
  REQUIRE(m.open());
}

TEST_CASE("P2: a fork of the same size or larger is refused") {
  for (std::size_t const more : {0U, 3U}) {
    Machine m;
    m.create();
    m.grow(5);
    Machine other;
    other.create();
    other.append(4);
    REQUIRE(other.log->append(Entries{"another history"}));
    REQUIRE(other.log->publish());
    if (more > 0) other.grow(more);
    other.put("state/last-checkpoint", m.disk.content("state/last-checkpoint"));
    CAPTURE(more);
    CHECK(other.open().error().code == Code::rolled_back);
  }
}

TEST_CASE("custody log: a vault that grew elsewhere under the same key goes on") {
  Machine m;
  m.create();
  m.grow(300);
  std::string const old = m.disk.content("state/last-checkpoint");
  m.grow(5);
  m.put("state/last-checkpoint", old);
  REQUIRE(m.open());
  CHECK(m.disk.content("state/last-checkpoint") == m.disk.content("vault/log/checkpoint"));
}

TEST_CASE("custody log: an older checkpoint put in place of the newest is put right when all bundles are there") {
  Machine m;
  m.create();
  m.grow(300);
  std::string const old = m.disk.content("vault/log/checkpoint");
  m.grow(300);
  std::string const newest = m.disk.content("vault/log/checkpoint");
  m.put("vault/log/checkpoint", old);
  REQUIRE(m.open());
  CHECK(m.disk.content("vault/log/checkpoint") == newest);
  CHECK(whole_log(*m.vault, m.key.vkey(origin)).faults == Entries{});
}

TEST_CASE("P2: tiles that do not hash to the checkpoint stop the start") {
  for (char const* path : {"vault/log/tile/0/001.p/45", "vault/log/tile/1/000.p/1"}) {
    Machine m;
    m.create();
    m.grow(300);
    m.disk.flip_bit(path, 77);
    CHECK(m.open().error().code == Code::damaged);
  }
}

TEST_CASE("P2: a bad partial bundle is not carried into the next one") {
  Machine m;
  m.create();
  m.grow(4);
  m.disk.flip_bit("vault/log/tile/entries/000.p/5", 50);
  m.append(1);
  CHECK(m.log->publish().error().code == Code::damaged);
  CHECK(m.log->poisoned());
  CHECK(m.log->append(Entries{"x"}).error().code == Code::io);
}

TEST_CASE("P2: another key or origin does not open the log") {
  Machine m;
  m.create();
  SigningKey const& other = test_key(8);
  CHECK(CustodyLog::open(*m.vault, *m.state, other, origin).error().code == Code::damaged);
  CHECK(CustodyLog::open(*m.vault, *m.state, m.key, "other").error().code == Code::damaged);
}

TEST_CASE("custody log: a second agent at the same state folder is found out before anything is signed away") {
  Machine m;
  m.create();
  auto second = CustodyLog::open(*m.vault, *m.state, m.key, origin);
  REQUIRE(second);
  m.grow(1);
  REQUIRE(second.value()->append(Entries{"fork"}));
  std::string const out = m.disk.content("vault/log/checkpoint");
  CHECK_FALSE(second.value()->publish());
  CHECK(m.disk.content("vault/log/checkpoint") == out);
}

TEST_CASE("custody log: what a publish cut short has left is swept, foreign files stay for verify") {
  Machine m;
  m.create();
  m.grow(3);
  for (char const* left : {"vault/log/tile/0/000.p/9", "vault/log/tile/0/000.p/9.tmp", "vault/log/tile/0/000",
                           "vault/log/tile/entries/001.p/3", "vault/log/tile/1/000.p/1", "vault/log/checkpoint.tmp",
                           "vault/journal.0.tmp"})
    m.disk.put_file(left, "left");
  m.disk.put_file("vault/log/tile/0/stranger", "x");
  REQUIRE(m.open());
  CHECK(whole_log(*m.vault, m.key.vkey(origin)).faults ==
        Entries{"log/tile/0/stranger belongs to no log of this size"});
  CHECK_FALSE(m.disk.exists("vault/journal.0.tmp"));
  CHECK_FALSE(m.disk.exists("vault/log/tile/1/000.p"));
}

TEST_CASE("log reader: reads any range, keeps to its checkpoint while the log grows") {
  Machine m;
  m.create();
  m.grow(299);
  auto opened = LogReader::open(*m.vault, m.key.vkey(origin));
  REQUIRE(opened);
  LogReader reader = std::move(opened).value();
  m.grow(700);  // the reader's partial tiles are gone by name
  CHECK(reader.checkpoint().size == 300);
  auto const range = [&](std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> indexes;
    REQUIRE(reader.each(from, to, [&](std::uint64_t index, std::string_view entry) -> Result<void> {
      CHECK(entry == (index == 0 ? "first" : "entry " + std::to_string(index)));
      indexes.push_back(index);
      return ok();
    }));
    return indexes;
  };
  CHECK(range(0, UINT64_MAX).size() == 300);
  CHECK(range(254, 258) == std::vector<std::uint64_t>{254, 255, 256, 257});
  CHECK(range(300, 400).empty());
  CHECK(reader.entry(299).value() == "entry 299");
  CHECK(reader.entry(300).error().code == Code::not_found);
  auto const proof = MerkleProver(300, reader.stored()).inclusion(299);
  REQUIRE(proof);
  CHECK(inclusion_holds(leaf_hash(bytes_of("entry 299")), 299, 300, proof.value(), reader.checkpoint().root));
  CHECK(reader.tile({false, 0, 1, 45}).error().code == Code::not_found);
}

TEST_CASE("log reader: an error of the caller's stops and comes back as it is") {
  Machine m;
  m.create();
  LogReader reader = LogReader::open(*m.vault, m.key.vkey(origin)).value();
  auto const stopped = reader.each(0, 1, [](std::uint64_t, std::string_view) -> Result<void> {
    return Error{Code::cancelled, "enough", {}, {}};
  });
  CHECK(stopped.error().code == Code::cancelled);
}

TEST_CASE("log reader: what is missing or bent is named") {
  Machine m;
  CHECK(LogReader::open(*m.vault, m.key.vkey(origin)).error().code == Code::not_found);
  CHECK(LogReader::open(*m.vault, "rubbish").error().code == Code::malformed);
  m.create();
  m.grow(2);
  CHECK(LogReader::open(*m.vault, test_key(8).vkey(origin)).error().code == Code::refused);
  std::string const path = "log/tile/entries/000.p/3";
  m.disk.erase("vault/" + path);
  auto const missing = LogReader::open(*m.vault, m.key.vkey(origin));
  CHECK(missing.error().code == Code::damaged);
  CHECK(missing.error().where == path);
  m.disk.put_file("vault/" + path, "xx");
  LogReader reader = LogReader::open(*m.vault, m.key.vkey(origin)).value();
  auto const bent = reader.entry(0);
  CHECK(bent.error().code == Code::damaged);
  CHECK(bent.error().where == path);
}

}  // namespace
}  // namespace impound::evidence
