#include "evidence/verify/vault_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "evidence/checkpoint.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/verify/verdict.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

/// A vault of some exhibits and two captures, closed in order.
struct Scene {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault;
  std::unique_ptr<Disk> state;
  std::string object;
  std::vector<WrittenRecord> records;

  explicit Scene(int entries = 0, bool stopped = true) {
    disk.put_folder("v");
    disk.put_folder("s");
    vault = disk.folder("v");
    state = disk.folder("s");
    TestVault writer(*vault, *state, SimulatedDisk::owner);
    object = writer.seal("the first exhibit");
    writer.seal("the second exhibit");
    records = writer.capture("a paste");
    for (int i = 0; i < entries; ++i)
      REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", std::to_string(i)}}}}));
    writer.capture("another paste");
    if (stopped)
      writer.stop();
    else
      writer.publish();
  }
  VerifyOptions options() {
    VerifyOptions options;
    options.vkey = test_key().vkey(TestVault::origin);
    options.state = state.get();
    options.threads = 1;
    return options;
  }
  Verdict verify() { return verify_vault(*vault, options()); }
};

bool says(Verdict const& verdict, What what, std::string_view where) {
  for (Problem const& problem : verdict.problems)
    if (problem.what == what && problem.where == where) return true;
  return false;
}

std::string text(Verdict const& verdict) { return verdict.to_json().dump(2); }

}  // namespace

TEST_CASE("P2: a sound vault verifies, with what is in it counted") {
  Scene scene;
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.entries == 9);  // created, started, 2 exhibits, 2 captures of 2, stopped
  CHECK(verdict.exhibits == 2);
  CHECK(verdict.objects == 2);
  CHECK(verdict.captures == 2);
  CHECK(verdict.records == 5);  // one warcinfo
  CHECK(verdict.bytes > 35);
  CHECK(verdict.checkpoint_size == 9);
  CHECK(verdict.notes.empty());
  Json const json = verdict.to_json();
  for (char const* key : {"ok", "entries", "exhibits", "objects", "captures", "records", "bytes", "checkpoint",
                          "timestamps", "problems", "notes", "not_checked"})
    CHECK(json.contains(key));
  CHECK(json["checkpoint"]["size"] == 9);
}

TEST_CASE("P2: among objects hashed together each bad one is named, and no other") {
  SimulatedDisk disk;
  disk.put_folder("v");
  disk.put_folder("s");
  auto const vault = disk.folder("v");
  auto const state = disk.folder("s");
  TestVault writer(*vault, *state, SimulatedDisk::owner);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < 40; ++i) paths.push_back(writer.seal(std::string(i * 100, 's') + std::to_string(i)));
  paths.push_back(writer.seal(std::string(300'000, 'l')));  // too large to be one of many
  paths.push_back(writer.seal(std::string(256 * 1024, 'm')));
  writer.stop();
  VerifyOptions options;
  options.vkey = test_key().vkey(TestVault::origin);
  options.threads = 1;
  CHECK(verify_vault(*vault, options).problems.empty());
  for (std::size_t const bad : {0U, 15U, 16U, 39U, 40U, 41U}) {
    disk.flip_bit("v/" + paths[bad], 3);
    Verdict const verdict = verify_vault(*vault, options);
    CHECK_MESSAGE(says(verdict, What::altered, paths[bad]), bad, " ", text(verdict));
    CHECK(verdict.problems.size() == 1);
    disk.flip_bit("v/" + paths[bad], 3);
  }
}

TEST_CASE("a verification that is cancelled, at whatever moment, is never OK and accuses nobody") {
  Scene scene(600);
  std::size_t asked = 0;
  VerifyOptions options = scene.options();
  options.cancelled = [&] { return ++asked > SIZE_MAX - 1; };
  REQUIRE(verify_vault(*scene.vault, options).ok());
  std::size_t const all = asked;
  REQUIRE(all > 8);
  for (std::size_t moment = 0; moment < all; ++moment) {
    std::size_t now = 0;
    options.cancelled = [&] { return now++ >= moment; };
    Verdict const verdict = verify_vault(*scene.vault, options);
    CHECK_MESSAGE(verdict.interrupted, moment);
    CHECK_FALSE(verdict.ok());
    CHECK_MESSAGE(verdict.problems.empty(), moment, text(verdict));
    CHECK_MESSAGE(now <= moment + 8, "it went on: ", moment);
  }
}

TEST_CASE("P2: logs of every shape verify: full tiles, partial ones, two levels") {
  for (int const entries : {0, 246, 247, 248, 500, 1'100}) {
    CAPTURE(entries);
    Scene scene(entries);
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    CHECK(verdict.ok());
  }
}

TEST_CASE(
    "P2: every changed bit of a hash tile, a bundle or the checkpoint of a larger log is laid at that file's door") {
  Scene scene(600);
  for (char const* path : {"v/log/tile/0/000", "v/log/tile/0/001", "v/log/tile/1/000.p/2", "v/log/tile/entries/000",
                           "v/log/tile/entries/001", "v/log/checkpoint"}) {
    CAPTURE(path);
    std::string const bytes = scene.disk.content(path);
    REQUIRE_FALSE(bytes.empty());
    for (std::uint64_t bit = 3; bit < bytes.size() * 8; bit += bytes.size() * 8 / 5) {
      scene.disk.flip_bit(path, bit);
      Verdict const verdict = scene.verify();
      INFO(text(verdict));
      REQUIRE_FALSE(verdict.ok());
      CHECK(verdict.problems.front().where == std::string(path).substr(2));
      scene.disk.flip_bit(path, bit);
    }
  }
  CHECK(scene.verify().ok());
}

TEST_CASE("P2: without a key from elsewhere the vault's own is trusted, and a note says so") {
  Scene scene;
  VerifyOptions options = scene.options();
  options.vkey.reset();
  Verdict const verdict = verify_vault(*scene.vault, options);
  CHECK(verdict.ok());
  REQUIRE(verdict.notes.size() == 1);
  CHECK(verdict.notes[0].find("own key was trusted") != std::string::npos);
}

TEST_CASE("P2: another key does not do") {
  Scene scene;
  VerifyOptions options = scene.options();
  std::array<std::byte, 32> seed{};
  options.vkey = SigningKey::from_seed(seed).vkey(TestVault::origin);
  Verdict const verdict = verify_vault(*scene.vault, options);
  CHECK(says(verdict, What::unsigned_, "log/checkpoint"));
  CHECK(says(verdict, What::altered, "vault.toml"));
  options.vkey = "garbage";
  CHECK(says(verify_vault(*scene.vault, options), What::untrusted, "vault.toml"));
}

TEST_CASE("P2: a vault put back to an earlier state is seen by STATE, and by an old checkpoint") {
  Scene scene;
  std::string const old_state = scene.disk.content("s/last-checkpoint");
  auto const before = scene.disk.after_kill();
  {
    TestVault writer(*scene.vault, *scene.state, SimulatedDisk::owner, 2);
    writer.seal("a third");
    writer.stop();
  }
  INFO(text(scene.verify()));
  CHECK(scene.verify().ok());
  auto const earlier = before->folder("v");
  Verdict verdict = verify_vault(*earlier, scene.options());
  CHECK(says(verdict, What::rolled_back, "log/checkpoint"));

  VerifyOptions options = scene.options();
  options.old_checkpoints = {old_state};
  CHECK(verify_vault(*scene.vault, options).ok());
  options.old_checkpoints = {scene.disk.content("s/last-checkpoint")};
  options.state = nullptr;
  CHECK(says(verify_vault(*earlier, options), What::rolled_back, "log/checkpoint"));
}

TEST_CASE("P2: rewritten history with a good signature contradicts an older checkpoint") {
  Scene scene;
  SimulatedDisk other;
  other.put_folder("v");
  other.put_folder("s");
  auto const vault = other.folder("v");
  auto const state = other.folder("s");
  {
    TestVault writer(*vault, *state, SimulatedDisk::owner, 77);
    for (int i = 0; i < 20; ++i) writer.seal("exhibit " + std::to_string(i));
    writer.stop();
  }
  VerifyOptions options = scene.options();
  options.state = nullptr;
  CHECK(verify_vault(*vault, options).ok());
  options.old_checkpoints = {scene.disk.content("v/log/checkpoint")};
  CHECK(says(verify_vault(*vault, options), What::forked, "log/checkpoint"));
  options.old_checkpoints = {"not a note"};
  CHECK(says(verify_vault(*vault, options), What::unsigned_, "log/checkpoint"));
}

TEST_CASE("P2: checkpoints that no entry names are added, and must be signed and agree with the tree as well") {
  Scene scene;
  scene.disk.put_file("v/log/checkpoints/9", scene.disk.content("v/log/checkpoint"));
  CHECK(says(scene.verify(), What::added, "log/checkpoints/9"));
  scene.disk.put_file("v/log/checkpoints/8", scene.disk.content("v/log/checkpoint"));
  CHECK(says(scene.verify(), What::malformed, "log/checkpoints/8"));
  scene.disk.erase("v/log/checkpoints/8");
  Checkpoint const forged{TestVault::origin, 5, sha256(bytes_of("x"))};
  scene.disk.put_file("v/log/checkpoints/5", sign_checkpoint(forged, test_key()));
  CHECK(says(scene.verify(), What::forked, "log/checkpoints/5"));
  scene.disk.erase("v/log/checkpoints/5");
  scene.disk.put_file("v/log/checkpoints/05", "x");
  CHECK(says(scene.verify(), What::added, "log/checkpoints/05"));
}

TEST_CASE("P2: what a crash left is unlogged, and the advice is to start the agent once") {
  Scene scene(0, false);
  scene.disk.put_file("v/" + object_path(sha256(bytes_of("unnamed"))), "unnamed", 0400);
  scene.disk.overwrite("v/" + scene.records[0].file, scene.disk.content("v/" + scene.records[0].file).size(), "tail");
  scene.disk.put_file("v/journal.0", "something", 0600);
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(says(verdict, What::unlogged, object_path(sha256(bytes_of("unnamed")))));
  CHECK(says(verdict, What::unlogged, scene.records[0].file));
  CHECK(says(verdict, What::unlogged, "journal.0"));
  for (Problem const& problem : verdict.problems)
    CHECK(problem.detail.find("start the agent once") != std::string::npos);
}

TEST_CASE("P2: beside a running writer what is new is judged by a newer checkpoint") {
  Scene scene;
  TestVault writer(*scene.vault, *scene.state, SimulatedDisk::owner, 3);
  writer.seal("sealed while we look");
  writer.capture("captured while we look");
  // Not published: the checkpoint names neither.
  CHECK_FALSE(scene.verify().ok());
  VerifyOptions options = scene.options();
  options.held_by_writer = true;
  int waits = 0;
  options.wait_for_newer = [&] {
    ++waits;
    writer.seal("and one more");
    writer.publish();
  };
  Verdict verdict = verify_vault(*scene.vault, options);
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(waits == 1);
  CHECK(verdict.not_checked.size() >= 1);  // the journal

  scene.disk.put_file("v/objects/00/" + std::string(64, '0'), "never logged", 0400);
  verdict = verify_vault(*scene.vault, options);
  INFO(text(verdict));
  CHECK(verdict.problems.size() == 1);
  CHECK(says(verdict, What::added, "objects/00/" + std::string(64, '0')));

  options.wait_for_newer = {};
  verdict = verify_vault(*scene.vault, options);
  CHECK(verdict.ok());
  CHECK(verdict.not_checked.size() >= 2);
}

TEST_CASE("P2: entries that contradict each other are malformed") {
  Scene scene;
  TestVault writer(*scene.vault, *scene.state, SimulatedDisk::owner, 4);
  EntryId const id = writer.new_id();
  EntryId const unknown = writer.new_id();
  REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", "x"}}, .id = id}}));
  REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", "x"}}, .id = id}}));
  REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", "x"}}, .cause = unknown}}));
  REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", "x"}}, .of = unknown}}));
  REQUIRE(writer.record({{.kind = "exhibit.sealed", .body = {{"path", "x"}}}}));
  REQUIRE(writer.record({{.kind = "capture.result", .body = {{"records", {1, 2}}}}}));
  REQUIRE(writer.record({{.kind = "exhibit.sealed", .body = {{"sha256", std::string(64, 'a')}, {"size", 3}}}}));
  writer.stop();
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.problems.front().what == What::missing);  // files first, entries after them
  for (int const index : {11, 12, 13, 14, 15}) CHECK(says(verdict, What::malformed, "entry " + std::to_string(index)));
  CHECK(says(verdict, What::missing, "objects/aa/" + std::string(64, 'a')));
}

TEST_CASE("P2: with log_only the log is checked, and what was left out is said") {
  Scene scene;
  scene.disk.flip_bit("v/" + scene.object, 0);
  VerifyOptions options = scene.options();
  options.log_only = true;
  Verdict const verdict = verify_vault(*scene.vault, options);
  CHECK(verdict.ok());
  CHECK(verdict.not_checked == std::vector<std::string>{"objects", "warc", "timestamps"});
  CHECK(says(scene.verify(), What::altered, scene.object));
}

TEST_CASE("P6: a checkpoint that claims any size ends in a verdict") {
  Scene scene;
  for (std::uint64_t const size : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    CAPTURE(size);
    Checkpoint const forged{TestVault::origin, size, sha256(bytes_of("x"))};
    scene.disk.put_file("v/log/checkpoint", sign_checkpoint(forged, test_key()));
    CHECK_FALSE(scene.verify().ok());
  }
  for (char const* bytes : {"", "\n\n", "a\n\n\xe2\x80\x94 a b\n"}) {
    scene.disk.put_file("v/log/checkpoint", bytes);
    CHECK(says(scene.verify(), What::malformed, "log/checkpoint"));
  }
  scene.disk.erase("v/log/checkpoint");
  CHECK(says(scene.verify(), What::missing, "log/checkpoint"));
}

TEST_CASE("a thousand problems are listed, the rest is counted") {
  Verdict verdict;
  for (int i = 0; i < 1'234; ++i) verdict.add(What::missing, "objects/x", "gone");
  CHECK(verdict.problems.size() == 1'000);
  CHECK(verdict.problems_not_listed == 234);
  CHECK(printable("a\xff\n\x1b[31m\xc3\xa9") == "a\\xff\\x0a\\x1b[31m\\xc3\\xa9");
  CHECK(printable("\xc3\xa9") == "\xc3\xa9");
}
