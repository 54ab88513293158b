// What an accepted rollback gives up is kept, to the byte, whatever it is.
#include <doctest/doctest.h>

#include "agent/work/rollback.h"
#include "evidence/formats/hex.h"
#include "evidence/last_checkpoint.h"
#include "tests/support/simulated_disk.h"

namespace impound::agent {

TEST_CASE("P2: what is given up by an accepted rollback reads back as it was, and is forgotten only on demand") {
  SimulatedDisk disk;
  std::unique_ptr<Disk> const state = disk.folder("state");
  REQUIRE(write_whole(*state, evidence::last_checkpoint_path, bytes_of("no note \xff at all"), Replace::yes));
  auto const accepted = what_is_given_up(*state, nullptr, "because \x01 \"so\"");
  REQUIRE(accepted);
  CHECK(accepted.value().given_up.size() == 1);
  CHECK_FALSE(read_accepted(*state).value());
  REQUIRE(keep_accepted(*state, accepted.value()));
  auto const read = read_accepted(*state);
  REQUIRE(read);
  REQUIRE(read.value());
  CHECK(read.value()->reason == "because \x01 \"so\"");
  CHECK(read.value()->given_up[0].where == "state");
  CHECK(read.value()->given_up[0].note == "no note \xff at all");
  Json const body = rollback_body(*read.value(), 7);
  CHECK(body["size"] == 7);
  CHECK_FALSE(body["given_up"][0].contains("size"));  // it says none
  REQUIRE(forget_accepted(*state));
  CHECK_FALSE(read_accepted(*state).value());
  REQUIRE(forget_accepted(*state));
}

TEST_CASE("a record of an accepted rollback that is not ours stops the start, and says what to do") {
  SimulatedDisk disk;
  std::unique_ptr<Disk> const state = disk.folder("state");
  for (char const* wrong : {"", "[]", "{}", R"({"reason":"!","given_up":[]})", R"({"reason":"YQ==","given_up":[{}]})",
                            R"({"reason":"YQ==","given_up":{}})"}) {
    CAPTURE(std::string(wrong));
    REQUIRE(write_whole(*state, accepted_rollback_path, bytes_of(wrong), Replace::yes));
    auto const read = read_accepted(*state);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::damaged);
  }
}

}  // namespace impound::agent
