#include "evidence/sealing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/start_recovery.h"
#include "sealing_desk.h"
#include "tests/support/passing_disk.h"

using namespace impound;
using namespace impound::evidence;

TEST_CASE("sealed files are objects, read-only, with their entries") {
  Desk desk;
  std::vector const files{desk.file("one", "first"), desk.file("two", ""), desk.file("three \xff", "third")};
  auto sealed = desk.sealing().seal(files);
  REQUIRE(sealed);
  REQUIRE(sealed.value().size() == 3);
  REQUIRE(desk.entries.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    SealedFile const& file = sealed.value()[i];
    CHECK_FALSE(file.refused);
    CHECK_FALSE(file.was_present);
    CHECK(file.staged_path == files[i].staged_path);
    CHECK(file.exhibit == files[i].exhibit.id);
    CHECK(desk.entries[i].id == files[i].exhibit.id);
    CHECK(desk.entries[i].body["sha256"] == hex(*file.sha256));
    CHECK(desk.entries[i].body["size"] == files[i].size);
    for (char const* key : {"arrival_sha256", "sha1", "md5"}) CHECK_FALSE(desk.entries[i].body.contains(key));
    CHECK_FALSE(desk.disk.exists(files[i].staged_path));
    CHECK(desk.disk.facts_of(object_path(*file.sha256)).value().mode == 0400);
  }
  CHECK(desk.disk.content(object_of("first")) == "first");
  CHECK(desk.clean());
  auto const after = desk.disk.after_power_cut(0);
  CHECK(after->content(object_of("first")) == "first");
  CHECK(after->content(object_of("third")) == "third");
  CHECK(after->exists(object_of("")));
}

TEST_CASE("bytes seen twice are one object and two exhibits") {
  Desk desk;
  auto sealed = desk.sealing().seal(std::vector{desk.file("one", "same"), desk.file("two", "same")});
  REQUIRE(sealed);
  CHECK_FALSE(sealed.value()[0].was_present);
  CHECK(sealed.value()[1].was_present);
  auto again = desk.sealing().seal_bytes(bytes_of("same"), desk.draft());
  REQUIRE(again);
  CHECK(again.value().was_present);
  CHECK(desk.entries.size() == 3);
  CHECK_FALSE(desk.entries[2].body.contains("arrival_sha256"));
  CHECK(desk.clean());
}

TEST_CASE("an object whose bytes are not its name's is never named by an entry") {
  Desk desk;
  desk.disk.put_file(object_of("good"), "evil", 0400);
  auto sealed = desk.sealing().seal(std::vector{desk.file("one", "good"), desk.file("two", "other")});
  REQUIRE(sealed);
  REQUIRE(sealed.value()[0].refused);
  CHECK(sealed.value()[0].refused->code == Code::damaged);
  CHECK_FALSE(sealed.value()[1].refused);
  CHECK(desk.entries.size() == 1);
  CHECK(desk.disk.content("staging/torn/sealing-1-0") == "good");
}

TEST_CASE("P6: what is no finished file of ours is refused, the others are sealed") {
  Desk desk;
  ToSeal const good = desk.file("good", "good");
  ToSeal const linked = desk.file("linked", "linked");
  desk.disk.put_link(linked.staged_path, "staging/swarm/a/other name");
  ToSeal longer = desk.file("longer", "longer");
  longer.size = 3;
  ToSeal arrived = desk.file("arrived", "arrived");
  arrived.arrival = sha256(bytes_of("something else"));
  ToSeal foreign{"staging/swarm/a/foreign", 7, {}, desk.draft()};
  desk.disk.put_file(foreign.staged_path, "foreign", 0600, 4711);
  ToSeal const gone{"staging/swarm/a/gone", 0, {}, desk.draft()};
  ToSeal const folder{"staging/swarm/a/folder", 0, {}, desk.draft()};
  desk.disk.put_folder(folder.staged_path);
  ToSeal const symlink{"staging/swarm/a/symlink", 0, {}, desk.draft()};
  desk.disk.put_symlink(symlink.staged_path);
  ToSeal const last = desk.file("last", "last");

  auto sealed = desk.sealing().seal(std::vector{good, linked, longer, arrived, foreign, gone, folder, symlink, last});
  REQUIRE(sealed);
  REQUIRE(sealed.value().size() == 9);
  for (std::size_t i = 0; i < 9; ++i) {
    CAPTURE(i);
    bool const sound = i == 0 || i == 8;
    CHECK(sealed.value()[i].refused.has_value() == !sound);
    CHECK(sealed.value()[i].exhibit.has_value() == sound);
  }
  CHECK(sealed.value()[3].refused->code == Code::damaged);
  CHECK(sealed.value()[5].refused->code == Code::not_found);
  CHECK(desk.entries.size() == 2);
  CHECK(desk.clean());
  CHECK(desk.disk.content("staging/torn/sealing-1-2") == "longer");
}

TEST_CASE("a good arrival digest stands in the entry beside the one at rest") {
  Desk desk;
  ToSeal file = desk.file("x", "bytes");
  file.arrival = sha256(bytes_of("bytes"));
  REQUIRE(desk.sealing().seal({&file, 1}));
  CHECK(desk.entries[0].body["arrival_sha256"] == desk.entries[0].body["sha256"]);
}

TEST_CASE("SHA-1 and MD5 stand in the entry when they are asked for, also after a crash") {
  Desk desk;
  auto const digested = [](EntryDraft const& entry) {
    CHECK(entry.body.value("sha256", "") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(entry.body.value("sha1", "") == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(entry.body.value("md5", "") == "900150983cd24fb0d6963f7d28e17f72");
  };
  Sealing sealing(desk.disk, SimulatedDisk::owner, desk.record(), {}, {}, SealWith::sha256_sha1_md5);
  ToSeal const file = desk.file("x", "abc");
  REQUIRE(sealing.seal({&file, 1}));
  REQUIRE(desk.entries.size() == 1);
  digested(desk.entries[0]);
  desk.disk.someone_writes(desk.file("busy", "abc").staged_path, true);
  ToSeal const busy{"staging/swarm/a/busy", 3, {}, desk.draft()};
  REQUIRE(sealing.seal({&busy, 1}));  // through a copy, and the object is there already
  digested(desk.entries.at(1));

  Sealing failing(
      desk.disk, SimulatedDisk::owner,
      [](std::vector<EntryDraft>) -> Result<void> {
        return Error{Code::io, "no", {}, {}};
      },
      {}, {}, SealWith::sha256_sha1_md5);
  ToSeal const cut = desk.file("cut", "abc");
  CHECK_FALSE(failing.seal({&cut, 1}));
  auto const next = desk.disk.after_power_cut(0);
  Sealing after(*next, SimulatedDisk::owner, desk.record(), {}, {}, SealWith::sha256_sha1_md5);
  REQUIRE(after.recover([](EntryId const&) { return false; }));
  digested(desk.entries.at(2));
}

TEST_CASE("P1: a log that does not take the entries leaves the plan, and recovery finishes it") {
  Desk desk;
  Sealing failing(desk.disk, SimulatedDisk::owner, [](std::vector<EntryDraft>) -> Result<void> {
    return Error{Code::io, "no", {}, {}};
  });
  ToSeal const file = desk.file("x", "bytes");
  CHECK_FALSE(failing.seal({&file, 1}));
  CHECK(desk.entries.empty());
  auto const next = desk.disk.after_power_cut(0);
  Sealing sealing(*next, SimulatedDisk::owner, desk.record());
  auto recovered = sealing.recover([](EntryId const&) { return false; });
  REQUIRE(recovered);
  CHECK(recovered.value() == 1);
  CHECK(sealing.recovery().plans == 1);
  CHECK(desk.entries.size() == 1);
  CHECK(next->content(object_of("bytes")) == "bytes");
  CHECK(next->list("staging/sealing", 10).value().empty());
  CHECK(sealing.recover([](EntryId const&) { return false; }).value() == 0);
}

TEST_CASE("P1: a plan without digests gives its files back") {
  Desk desk;
  ToSeal const file = desk.file("x", "bytes");
  desk.disk.plan({6, Fault::cut_before});  // behind the plan and the first rename
  CHECK_FALSE(desk.sealing().seal({&file, 1}));
  auto const next = desk.disk.after_power_cut(1);
  CHECK_FALSE(next->exists(file.staged_path));
  Sealing sealing(*next, SimulatedDisk::owner, desk.record());
  REQUIRE(sealing.recover([](EntryId const&) { return false; }));
  CHECK(sealing.recovery().given_back == std::vector{file.staged_path});
  CHECK(next->content(file.staged_path) == "bytes");
  CHECK(desk.entries.empty());
}

TEST_CASE("an object that nothing names is set aside at start") {
  Desk desk;
  desk.disk.put_file(object_of("named"), "named", 0400);
  desk.disk.put_file(object_of("unnamed"), "unnamed", 0400);
  desk.disk.put_file("objects/00/strange", "left for verify", 0400);
  auto report = set_aside_unnamed(desk.disk, {sha256(bytes_of("named"))});
  REQUIRE(report);
  CHECK(report.value().objects == std::vector{object_of("unnamed")});
  auto const after = desk.disk.after_power_cut(0);
  CHECK(after->exists(object_of("named")));
  CHECK_FALSE(after->exists(object_of("unnamed")));
  CHECK(after->content("staging/torn/" + hex(sha256(bytes_of("unnamed")))) == "unnamed");
  CHECK(after->exists("objects/00/strange"));
}

TEST_CASE("on a real file system a kept descriptor gets a copy sealed, and cannot change it") {
  std::signal(SIGIO, SIG_IGN);
  TemporaryFolder const folder;
  auto disk = LinuxDisk::open_at(folder.path());
  REQUIRE(disk);
  REQUIRE(make_vault_folders(*disk.value()));
  std::string const path = folder.path("staging/swarm/x");
  int const kept = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(kept >= 0);
  REQUIRE(::write(kept, "before", 6) == 6);
  std::vector<EntryDraft> entries;
  Sealing sealing(*disk.value(), ::getuid(), [&](std::vector<EntryDraft> drafts) -> Result<void> {
    entries = std::move(drafts);
    return ok();
  });
  FakeClock clock;
  SeededRandomness randomness(1);
  ToSeal const file{"staging/swarm/x", 6, {}, {.kind = "exhibit.sealed", .id = EntryId::make(clock, randomness)}};
  auto sealed = sealing.seal({&file, 1});
  REQUIRE(sealed);
  REQUIRE_FALSE(sealed.value()[0].refused);
  CHECK(::pwrite(kept, "evil!!", 6, 0) == 6);
  ::close(kept);
  CHECK(read_whole(*disk.value(), object_of("before"), 100).value() == "before");
  CHECK(disk.value()->list("staging/sealing", 10).value().empty());
}

TEST_CASE("on a real file system what is let go of the page cache is read again") {
  TemporaryFolder const folder;
  auto disk = LinuxDisk::open_at(folder.path());
  REQUIRE(disk);
  auto file = DiskFile::open(*disk.value(), "a", Open::create);
  REQUIRE(file);
  REQUIRE(file.value().write(0, bytes_of(std::string(100'000, 'a'))));
  REQUIRE(file.value().sync());
  CHECK(file.value().forget_cached());
  CHECK(read_whole(*disk.value(), "a", 1 << 20).value() == std::string(100'000, 'a'));
  CHECK_FALSE(disk.value()->forget_cached(-1));
}

TEST_CASE("on a real file system a fifo in the file's place is refused at once") {
  TemporaryFolder const folder;
  auto disk = LinuxDisk::open_at(folder.path());
  REQUIRE(disk);
  REQUIRE(make_vault_folders(*disk.value()));
  REQUIRE(::mkfifo(folder.path("staging/swarm/fifo").c_str(), 0600) == 0);
  Sealing sealing(*disk.value(), ::getuid(), [](std::vector<EntryDraft>) -> Result<void> { return ok(); });
  FakeClock clock;
  SeededRandomness randomness(1);
  ToSeal const file{"staging/swarm/fifo", 0, {}, {.kind = "exhibit.sealed", .id = EntryId::make(clock, randomness)}};
  auto sealed = sealing.seal({&file, 1});
  REQUIRE(sealed);
  CHECK(sealed.value()[0].refused->what.find("not a regular file") != std::string::npos);
}

namespace {

/// Counts.
class CountingDisk final : public PassingDisk {
 public:
  using PassingDisk::PassingDisk;
  std::size_t renames = 0, syncs = 0, folder_syncs = 0, file_system_syncs = 0, creates = 0;

  Result<DiskHandle> open(std::string_view path, Open how) override {
    if (how == Open::create) ++creates;
    return PassingDisk::open(path, how);
  }
  Result<void> sync(DiskHandle file) override { return ++syncs, PassingDisk::sync(file); }
  Result<void> sync_folder(std::string_view path) override { return ++folder_syncs, PassingDisk::sync_folder(path); }
  Result<void> sync_everything() override { return ++file_system_syncs, PassingDisk::sync_everything(); }
  Result<void> rename(std::string_view from, std::string_view to, Replace replace) override {
    return ++renames, PassingDisk::rename(from, to, replace);
  }
};

}  // namespace

TEST_CASE("what sealing 1,000 files of 50 KiB costs") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &raised) == 0);
  REQUIRE(raised.rlim_cur >= 2'048);
  TemporaryFolder const folder;
  auto disk = LinuxDisk::open_at(folder.path());
  REQUIRE(disk);
  REQUIRE(make_vault_folders(*disk.value()));
  FakeClock clock;
  SeededRandomness randomness(1);
  std::vector<ToSeal> files;
  std::string bytes(50 * 1024, 'x');
  for (int i = 0; i < 1'000; ++i) {
    std::string const name = "staging/swarm/" + std::to_string(i);
    bytes.replace(0, name.size(), name);
    std::ofstream(folder.path(name), std::ios::binary) << bytes;
    files.push_back({name, bytes.size(), {}, {.kind = "exhibit.sealed", .id = EntryId::make(clock, randomness)}});
  }
  CountingDisk counting(*disk.value());
  std::size_t groups = 0;
  Sealing sealing(counting, ::getuid(), [&](std::vector<EntryDraft>) -> Result<void> { return ++groups, ok(); });
  auto sealed = sealing.seal(files);
  REQUIRE(sealed);
  for (SealedFile const& file : sealed.value()) REQUIRE_FALSE(file.refused);
  CHECK(groups == 1);
  CHECK(counting.file_system_syncs <= 1);
  CHECK(counting.syncs <= 1);  // the plan's
  CHECK(counting.renames <= 2'000);
  CHECK(counting.folder_syncs <= 257);
  CHECK(counting.creates == 1);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}
