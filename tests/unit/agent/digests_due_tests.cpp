#include "agent/work/digests_due.h"

#include <doctest/doctest.h>

#include "evidence/formats/hex.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"

using namespace impound;
using namespace impound::agent;

namespace {

struct Due {
  FakeClock clock;
  SeededRandomness randomness{3};
  DigestsDue due;

  EntryId sealed(char digit, char const* role, bool thrice = false) {
    Json body{{"sha256", std::string(64, digit)}, {"size", 7}, {"role", role}};
    if (thrice) body["sha1"] = std::string(40, digit), body["md5"] = std::string(32, digit);
    EntryId const id = EntryId::make(clock, randomness);
    due.take("exhibit.sealed", body, id, {});
    return id;
  }
  void digested(char digit, EntryId const& of) {
    due.take("exhibit.digested", {{"sha256", std::string(64, digit)}}, EntryId::make(clock, randomness), of);
  }
};

}  // namespace

TEST_CASE("what came from outside with SHA-256 alone waits until each of its exhibits is digested") {
  Due test;
  auto const first = test.sealed('a', "payload");
  auto const second = test.sealed('a', "payload");
  test.sealed('b', "torrent");
  test.sealed('c', "settings");
  test.sealed('d', "file_list");
  test.sealed('e', "payload", true);
  REQUIRE(test.due.objects.size() == 2);
  auto const& waiting = test.due.objects.at(*digest_from_hex<Sha256>(std::string(64, 'a')));
  CHECK(waiting.size == 7);
  CHECK(waiting.exhibits == std::vector{first, second});
  test.digested('a', first);
  CHECK(test.due.objects.size() == 2);
  test.digested('a', second);
  CHECK(test.due.objects.size() == 1);
  test.digested('f', first);  // of nothing that is known
  CHECK(test.due.objects.size() == 1);
}
