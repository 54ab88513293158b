// What verify holds a closed WARC file, and the entry that closes it, against.
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/verify/vault_check.h"
#include "evidence/warc/closing.h"
#include "tests/support/erasing.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

/// A vault with one WARC file of two captures, and what its warc.closed should say.
struct Scene {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault, state;
  std::unique_ptr<TestVault> writer;
  std::vector<WrittenRecord> first, second;
  ClosedWarc closed;

  Scene() {
    disk.put_folder("v");
    disk.put_folder("s");
    vault = disk.folder("v");
    state = disk.folder("s");
    writer = std::make_unique<TestVault>(*vault, *state, SimulatedDisk::owner);
    first = writer->capture("a paste");
    second = writer->capture("another paste");
    std::string const bytes = content();
    closed = {first[0].file, sha256(bytes_of(bytes)), bytes.size(), 5};
  }
  std::string content() { return disk.content("v/" + first[0].file); }
  void close(ClosedWarc const& as) { REQUIRE(writer->record({{.kind = "warc.closed", .body = to_json(as)}})); }
  void close() {
    close(closed);
    disk.put_file("v/" + closed.file, content(), 0400);
  }
  Verdict verify() {
    writer->stop();
    VerifyOptions options;
    options.vkey = test_key().vkey(TestVault::origin);
    options.state = state.get();
    options.threads = 1;
    return verify_vault(*vault, options);
  }
};

void check_problem(Verdict const& verdict, What what, std::string const& where, std::string const& part) {
  INFO(verdict.to_json().dump(1));
  REQUIRE(verdict.problems.size() == 1);
  CHECK(verdict.problems[0].what == what);
  CHECK(verdict.problems[0].where == where);
  CHECK(verdict.problems[0].detail.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("P2: a closed WARC file that is as its entry says verifies") {
  Scene scene;
  scene.close();
  Verdict const verdict = scene.verify();
  INFO(verdict.to_json().dump(1));
  CHECK(verdict.ok());
}

TEST_CASE("P2: any bit of a closed WARC file counts, and one problem names the file") {
  Scene scene;
  scene.close();
  CHECK(scene.verify().ok());
  std::string const good = scene.content();
  for (std::size_t at = 0; at < good.size(); at += 37) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    scene.disk.put_file("v/" + scene.closed.file, bad, 0400);
    check_problem(scene.verify(), What::altered, scene.closed.file, "has other bytes");
  }
}

TEST_CASE("P2: an entry that closes a file with a digest, a length or a count that are not the file's is found") {
  struct Row {
    char const* name;
    std::function<void(ClosedWarc&)> change;
    What what;
    bool of_file;
    char const* part;
  };
  for (Row const& row :
       {Row{"digest", [](ClosedWarc& closed) { closed.sha256.bytes[0] ^= std::byte{1}; }, What::altered, true,
            "it is not the file that entry 6 has closed"},
        Row{"bytes", [](ClosedWarc& closed) { ++closed.bytes; }, What::malformed, false, "other records"},
        Row{"records", [](ClosedWarc& closed) { --closed.records; }, What::malformed, false, "other records"}}) {
    CAPTURE(row.name);
    Scene scene;
    ClosedWarc changed = scene.closed;
    row.change(changed);
    scene.close(changed);
    check_problem(scene.verify(), row.what, row.of_file ? scene.closed.file : "entry 6", row.part);
  }
}

TEST_CASE("P2: a file closed twice, one that nobody named, and a capture behind the closing are found") {
  {
    Scene scene;
    scene.close();
    scene.close();
    check_problem(scene.verify(), What::malformed, "entry 7", "closed before, by entry 6");
  }
  {
    Scene scene;
    scene.close({"warc/20170505T170000Z-1.warc.gz", {}, 100, 1});
    check_problem(scene.verify(), What::malformed, "entry 6", "other records");
  }
  {
    Scene scene;
    scene.close(scene.closed);  // in the log; the file itself is open, and gets another capture
    scene.writer->capture("behind it");
    Verdict const verdict = scene.verify();
    INFO(verdict.to_json().dump(1));
    CHECK(std::any_of(verdict.problems.begin(), verdict.problems.end(), [](Problem const& one) {
      return one.what == What::malformed && one.where == "entry 8" &&
             one.detail.find("had closed") != std::string::npos;
    }));
  }
  {
    Scene scene;
    REQUIRE(scene.writer->record({{.kind = "warc.closed", .body = {{"file", "objects/x"}}}}));
    check_problem(scene.verify(), What::malformed, "entry 6", "");
  }
}

TEST_CASE(
    "P2: records that are cut by order out of a closed file are explained, and what is left is held to the order") {
  Scene scene;
  scene.close();
  scene.writer->publish();
  auto const results = of_kind(*scene.vault, "capture.result");
  REQUIRE(results.size() == 2);
  auto done = erase(*scene.vault, erasure_log(*scene.vault, *scene.writer), erasure_order({results[1]}, {}));
  REQUIRE(done);
  REQUIRE(done.value().failed.empty());
  CHECK(scene.content().size() < scene.closed.bytes);
  Verdict const verdict = scene.verify();
  INFO(verdict.to_json().dump(1));
  CHECK(verdict.ok());
  CHECK(verdict.erased.size() == 2);
  std::string bad = scene.content();
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
  scene.disk.put_file("v/" + scene.closed.file, bad, 0400);
  CHECK_FALSE(scene.verify().ok());
}

TEST_CASE("P2: an order that cuts another file than the one that was closed is found") {
  Scene scene;
  ClosedWarc other = scene.closed;
  other.sha256.bytes[5] ^= std::byte{1};
  scene.close(other);
  scene.writer->publish();
  auto const results = of_kind(*scene.vault, "capture.result");
  REQUIRE(erase(*scene.vault, erasure_log(*scene.vault, *scene.writer), erasure_order({results[1]}, {})));
  check_problem(scene.verify(), What::malformed, "entry 7", "is not the one that entry 6 has closed");
}
