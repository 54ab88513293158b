// P2 where the tree is tall: a log with a full tile of level 1 and a partial one of level 2, which take 65,536 entries.
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "evidence/verify/vault_check.h"
#include "tests/support/counts.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {
namespace {

constexpr int entries_min = 65'536 + 300;

struct TallLog {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault = folder("v");
  std::unique_ptr<Disk> state = folder("s");

  TallLog() {
    TestVault writer(*vault, *state, SimulatedDisk::owner);
    for (int i = 0; i < entries_min; i += 1'000) {
      std::vector<EntryDraft> const drafts(1'000, {.kind = "note.added", .body = {{"text", "a note"}}});
      REQUIRE(writer.record(drafts));
    }
    writer.stop();
  }
  std::unique_ptr<Disk> folder(std::string const& name) {
    disk.put_folder(name);
    return disk.folder(name);
  }
  /// Whether exactly this file is named, as altered (or, without it, as missing), and nothing else is said.
  bool noticed(std::string const& file, What what = What::altered) {
    VerifyOptions options;
    options.vkey = test_key().vkey(TestVault::origin);
    options.state = state.get();
    options.threads = 1;
    options.log_only = true;
    Verdict const verdict = verify_vault(*vault, options);
    if (verdict.problems.size() == 1 && verdict.problems[0].where == file && verdict.problems[0].what == what)
      return true;
    MESSAGE(verdict.to_json().dump(2));
    return false;
  }
};

}  // namespace

TEST_CASE("P2: a byte changed in a tile of level 1 or 2, or either one gone, is found and named") {
  TallLog log;
  SeededRandomness randomness(14);
  std::size_t found = 0;
  for (std::string const& file :
       {std::string("log/tile/1/000"), std::string("log/tile/1/001.p/1"), std::string("log/tile/2/000.p/1")}) {
    CAPTURE(file);
    std::string const good = log.disk.content("v/" + file);
    REQUIRE_FALSE(good.empty());
    for (int i = 0; i < static_cast<int>(tries(200, 20)); ++i) {
      std::uint64_t const bit = randomness.below(good.size() * 8);
      CAPTURE(bit);
      log.disk.flip_bit("v/" + file, bit);
      bool const noticed = log.noticed(file);
      CHECK(noticed);
      found += noticed ? 1 : 0;
      log.disk.flip_bit("v/" + file, bit);
    }
    log.disk.erase("v/" + file);
    CHECK(log.noticed(file, What::missing));
    log.disk.put_file("v/" + file, good, 0400);
    ++found;
  }
  MESSAGE("damages noticed and named: " << found);
  CHECK(found >= (full_counts() ? 603 : under_sanitizer ? 18 : 63));
}

}  // namespace impound::evidence
