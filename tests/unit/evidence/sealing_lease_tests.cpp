// Sealing beside others who may still write: leases, and the copies that are made where there are none.
#include <functional>
#include <utility>

#include "sealing_desk.h"
#include "tests/support/passing_disk.h"

using namespace impound;
using namespace impound::evidence;

TEST_CASE("what the caller hashed under a lease is not hashed again") {
  Desk desk;
  auto const claimed = sha256(bytes_of("what the caller read"));
  auto one = desk.file("1", "bytes");
  one.hashed = hashed_by_caller(desk.disk, one.staged_path, claimed);
  auto sealing = desk.sealing();
  auto const sealed = sealing.seal({&one, 1});
  REQUIRE(sealed);
  REQUIRE_FALSE(sealed.value()[0].refused);
  CHECK(sealed.value()[0].sha256 == claimed);  // taken at its word
  CHECK(desk.disk.content(object_path(claimed)) == "bytes");
  CHECK(desk.clean());
}

TEST_CASE(
    "what the caller hashed is hashed again when the lease is gone, the name another file's, or a digest wanted") {
  Desk desk;
  auto const claimed = sha256(bytes_of("what the caller read"));
  auto one = desk.file("1", "bytes");
  one.hashed = hashed_by_caller(desk.disk, one.staged_path, claimed);
  std::string now = "bytes";
  auto how = SealWith::sha256;
  SUBCASE("somebody wrote to it") {
    desk.disk.overwrite(one.staged_path, 0, "B");
    now = "Bytes";
  }
  SUBCASE("the lease is gone") { desk.disk.drop_lease(one.hashed->file.handle()); }
  SUBCASE("another file has its name") {
    desk.disk.erase(one.staged_path);
    desk.disk.put_file(one.staged_path, "other");
    now = "other";
  }
  SUBCASE("its size was another") { one.hashed->facts.size = 4; }
  SUBCASE("all three digests are wanted") { how = SealWith::sha256_sha1_md5; }
  Sealing sealing(desk.disk, SimulatedDisk::owner, desk.record(), {}, {}, how);
  auto const sealed = sealing.seal({&one, 1});
  REQUIRE(sealed);
  REQUIRE_FALSE(sealed.value()[0].refused);
  CHECK(sealed.value()[0].sha256 == sha256(bytes_of(now)));
  CHECK(desk.disk.content(object_of(now)) == now);
  CHECK(desk.clean());
}

TEST_CASE("a file that somebody may still write to is sealed as a copy") {
  Desk desk;
  ToSeal const file = desk.file("busy", "busy bytes");
  desk.disk.someone_writes(file.staged_path, true);
  auto sealed = desk.sealing().seal({&file, 1});
  REQUIRE(sealed);
  CHECK_FALSE(sealed.value()[0].refused);
  CHECK(desk.pauses == 4);
  CHECK(desk.disk.content(object_of("busy bytes")) == "busy bytes");
  CHECK(desk.clean());

  desk.disk.leases_supported(false);
  desk.pauses = 0;
  ToSeal const other = desk.file("other", "on a file system without leases");
  sealed = desk.sealing().seal({&other, 1});
  REQUIRE(sealed);
  CHECK_FALSE(sealed.value()[0].refused);
  CHECK(desk.pauses == 0);
  CHECK(desk.disk.exists(object_of("on a file system without leases")));
  CHECK(desk.clean());
}

TEST_CASE("files that stay busy share one wait, and each is sealed as a copy") {
  Desk desk;
  std::vector<ToSeal> files;
  for (int i = 0; i < 50; ++i) {
    files.push_back(desk.file(std::to_string(i), "busy " + std::to_string(i)));
    desk.disk.someone_writes(files.back().staged_path, true);
  }
  auto const sealed = desk.sealing().seal(files);
  REQUIRE(sealed);
  for (auto const& one : sealed.value()) CHECK_FALSE(one.refused);
  CHECK(desk.pauses == 4);
  CHECK(desk.disk.content(object_of("busy 49")) == "busy 49");
  CHECK(desk.clean());
}

namespace {

/// Somebody opens the file for writing when it has been hashed and is about to be an object, which breaks its lease.
class MeddlingDisk final : public PassingDisk {
 public:
  using PassingDisk::PassingDisk;
  std::function<void()> meddle;
  Result<void> set_mode(DiskHandle file, std::uint32_t mode) override {
    if (meddle) {
      drop_lease(file);
      std::exchange(meddle, nullptr)();
    }
    return PassingDisk::set_mode(file, mode);
  }
};

}  // namespace

TEST_CASE("P1: who waits to write to a file that was hashed never has an object to write to") {
  Desk desk;
  MeddlingDisk disk(desk.disk);
  ToSeal one = desk.file("1", "bytes");
  SUBCASE("hashed by sealing") {}
  SUBCASE("hashed by the caller") { one.hashed = hashed_by_caller(disk, one.staged_path, sha256(bytes_of("bytes"))); }
  auto const staged = desk.disk.facts_of(one.staged_path).value().inode;
  disk.meddle = [] {};
  Sealing sealing(disk, SimulatedDisk::owner, desk.record());
  auto const sealed = sealing.seal({&one, 1});
  REQUIRE(sealed);
  REQUIRE_FALSE(sealed.value()[0].refused);
  CHECK_FALSE(disk.meddle);
  auto const object = desk.disk.facts_of(object_of("bytes")).value();
  CHECK(object.inode != staged);
  CHECK(object.mode == 0400);
  auto const after = desk.disk.after_power_cut(0);
  CHECK(after->content(object_of("bytes")) == "bytes");
  CHECK(desk.clean());
}

TEST_CASE("P1: a file that is written to after it was hashed is refused, and no object has its name") {
  Desk desk;
  MeddlingDisk disk(desk.disk);
  ToSeal const one = desk.file("1", "bytes");
  disk.meddle = [&desk] {
    auto const held = desk.disk.list("staging/sealing", 10).value();
    for (auto const& entry : held)
      if (!entry.name.ends_with(".plan")) desk.disk.overwrite("staging/sealing/" + entry.name, 0, "B");
  };
  Sealing sealing(disk, SimulatedDisk::owner, desk.record());
  auto const sealed = sealing.seal({&one, 1});
  REQUIRE(sealed);
  REQUIRE(sealed.value()[0].refused);
  CHECK_FALSE(desk.disk.exists(object_of("bytes")));
  CHECK_FALSE(desk.disk.exists(object_of("Bytes")));
  CHECK(desk.entries.empty());
  CHECK(desk.clean());
}

TEST_CASE("what was refused as it was to become an object is told by the next start, too") {
  Desk desk;
  MeddlingDisk disk(desk.disk);
  std::vector const files{desk.file("1", "bytes"), desk.file("2", "others")};
  disk.meddle = [&desk] { desk.disk.overwrite("staging/sealing/1-0", 0, "B"); };
  Sealing failing(disk, SimulatedDisk::owner, [](std::vector<EntryDraft>) -> Result<void> {
    return Error{Code::io, "no", {}, {}};
  });
  REQUIRE_FALSE(failing.seal(files));
  auto const next = desk.disk.after_kill();
  Sealing sealing(*next, SimulatedDisk::owner, desk.record());
  REQUIRE(sealing.recover([](EntryId const&) { return false; }));
  REQUIRE(desk.entries.size() == 1);
  CHECK(next->content(object_of("others")) == "others");
  REQUIRE(sealing.recovery().refused.size() == 1);
  CHECK(sealing.recovery().refused[0].staged_path == files[0].staged_path);
  CHECK(sealing.recovery().refused[0].refused->code == Code::damaged);
}
