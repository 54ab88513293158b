#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "evidence/formats/crc32c.h"
#include "evidence/formats/hex.h"
#include "evidence/journal.h"
#include "tests/support/simulated_disk.h"

namespace impound::evidence {
namespace {

using Entries = std::vector<std::string>;

struct Recovered {
  Entries entries;
  Code code = Code::io;
  bool ok = false;
};

Recovered recover(SimulatedDisk& disk, std::uint64_t from = 0) {
  Recovered found;
  auto journal = Journal::open(disk);
  REQUIRE(journal);
  auto end = journal.value().recover(from, [&](std::uint64_t index, std::string_view entry) -> Result<void> {
    CHECK(index == from + found.entries.size());
    found.entries.emplace_back(entry);
    return ok();
  });
  found.ok = static_cast<bool>(end);
  if (end)
    CHECK(end.value() == from + found.entries.size());
  else
    found.code = end.error().code;
  return found;
}

/// Three groups, 2 + 1 + 3 entries, from index 10 on.
void write_three(SimulatedDisk& disk) {
  Journal journal = Journal::open(disk).value();
  REQUIRE(journal.append(10, Entries{"aa", "bb"}));
  REQUIRE(journal.append(12, Entries{"cc"}));
  REQUIRE(journal.append(13, Entries{"dd", "ee", "ff"}));
}

TEST_CASE("journal: crc32c is Castagnoli's") {
  CHECK(crc32c(bytes_of("123456789")) == 0xe3069283U);
  CHECK(crc32c(bytes_of("6789"), crc32c(bytes_of("12345"))) == 0xe3069283U);
}

TEST_CASE("journal: the bytes of a group") {
  SimulatedDisk disk;
  Journal journal = Journal::open(disk).value();
  REQUIRE(journal.append(0x0102030405060708, Entries{"A", "BC"}));
  std::string const bytes = disk.content("journal.0");
  CHECK(hex(bytes_of(bytes.substr(0, 12))) == "080706050403020101000000");
  CHECK(hex(bytes_of(bytes.substr(16, 12))) == "08070605040302010b000000");
  CHECK(hex(bytes_of(bytes.substr(32))) ==
        "010000004102000000"
        "4243");
  CHECK(disk.content("journal.1").empty());
}

TEST_CASE("journal: what was appended is recovered, what the tiles hold is skipped") {
  SimulatedDisk disk;
  write_three(disk);
  CHECK(recover(disk, 10).entries == Entries{"aa", "bb", "cc", "dd", "ee", "ff"});
  CHECK(recover(disk, 11).entries == Entries{"bb", "cc", "dd", "ee", "ff"});
  CHECK(recover(disk, 16).entries.empty());
  CHECK(recover(disk, 20).entries.empty());
  CHECK(recover(disk, 9).code == Code::damaged);  // entry 9 is missing
}

TEST_CASE("journal: a torn last group is cut, wherever it is torn") {
  SimulatedDisk disk;
  write_three(disk);
  std::string const bytes = disk.content("journal.0");
  std::size_t const third = bytes.size() - 16 - 3 * 6;
  for (std::size_t end = third; end < bytes.size(); ++end) {
    SimulatedDisk torn;
    torn.put_file("journal.0", bytes.substr(0, end));
    auto const found = recover(torn, 10);
    CHECK(found.ok);
    CHECK(found.entries == Entries{"aa", "bb", "cc"});
  }
  for (std::size_t end = 0; end < 16; ++end) {
    SimulatedDisk torn;
    torn.put_file("journal.0", bytes.substr(0, end));
    CHECK(recover(torn, 10).ok);
  }
}

TEST_CASE("journal: a bad group with a good one behind it is damage, at every bit") {
  SimulatedDisk disk;
  write_three(disk);
  std::string const bytes = disk.content("journal.0");
  std::size_t const third = bytes.size() - 16 - 3 * 6;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    SimulatedDisk changed;
    changed.put_file("journal.0", bytes);
    changed.flip_bit("journal.0", bit);
    auto const found = recover(changed, 10);
    CAPTURE(bit);
    if (bit / 8 < third)
      CHECK(found.code == Code::damaged);
    else
      CHECK(found.entries == Entries{"aa", "bb", "cc"});  // as good as torn: it was the last
  }
}

TEST_CASE("journal: groups of an earlier round behind new ones are no entries") {
  SimulatedDisk disk;
  write_three(disk);
  std::string const old = disk.content("journal.0");
  SimulatedDisk fresh;
  Journal journal = Journal::open(fresh).value();
  REQUIRE(journal.append(16, Entries{"gg"}));
  std::string const now = fresh.content("journal.0");
  SimulatedDisk mixed;
  mixed.put_file("journal.0", now + old.substr(now.size()));
  CHECK(recover(mixed, 16).entries == Entries{"gg"});
}

TEST_CASE("journal: the two files are read in the order of their entries") {
  SimulatedDisk disk;
  Journal journal = Journal::open(disk).value();
  REQUIRE(journal.append(0, Entries{"a", "b"}));
  CHECK(journal.turn() == 0);
  REQUIRE(journal.append(2, Entries{"c"}));
  CHECK(recover(disk).entries == Entries{"a", "b", "c"});
  REQUIRE(journal.empty(0));
  CHECK(recover(disk, 2).entries == Entries{"c"});
  CHECK(recover(disk, 1).code == Code::damaged);
  CHECK(journal.turn() == 1);
  REQUIRE(journal.append(3, Entries{"d"}));
  CHECK(recover(disk, 2).entries == Entries{"c", "d"});
  REQUIRE(journal.start_anew());
  CHECK(journal.is_empty());
  CHECK(disk.content("journal.0").empty());
  CHECK(disk.content("journal.1").empty());
}

TEST_CASE("journal: a file has room for 4,096 entries, and an empty one for any group") {
  SimulatedDisk disk;
  Journal journal = Journal::open(disk).value();
  Entries const many(4'096, "x");
  CHECK(journal.has_room(many));
  REQUIRE(journal.append(0, Entries{"x"}));
  CHECK_FALSE(journal.has_room(many));
  CHECK(journal.has_room(Entries(4'095, "x")));
  CHECK_FALSE(journal.has_room(Entries(128, std::string(65'535, 'x'))));
}

TEST_CASE("journal: reading back for a publish does not pass over anything") {
  SimulatedDisk disk;
  Journal journal = Journal::open(disk).value();
  REQUIRE(journal.append(0, Entries{"aa"}));
  REQUIRE(journal.append(1, Entries{"bb"}));
  unsigned const file = journal.turn();
  auto const none = [](std::uint64_t, std::string_view) -> Result<void> { return ok(); };
  CHECK(journal.each(file, none));
  disk.flip_bit("journal.0", disk.content("journal.0").size() * 8 - 1);
  CHECK(journal.each(file, none).error().code == Code::damaged);
}

}  // namespace
}  // namespace impound::evidence
