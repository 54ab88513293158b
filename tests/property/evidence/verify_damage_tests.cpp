// P2 by enumeration: a small real vault on disk, damaged in every way that files can be.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "evidence/formats/hex.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;
namespace fs = std::filesystem;

namespace {

bool all() { return std::getenv("IMPOUND_TEST_ALL") != nullptr || std::getenv("CI") != nullptr; }

struct RealVault {
  TemporaryFolder folder;
  std::string path = folder.path("v");
  std::unique_ptr<LinuxDisk> vault;
  std::unique_ptr<LinuxDisk> state;

  RealVault() {
    fs::create_directory(path);
    fs::create_directory(folder.path("s"));
    vault = open(path);
    state = open(folder.path("s"));
    TestVault writer(*vault, *state, ::getuid());
    writer.seal("the first exhibit, as it came from the torrent");
    writer.seal("");
    writer.capture("a paste that names a torrent");
    writer.capture("another");
    for (int i = 0; i < 255; ++i)
      REQUIRE(writer.record({{.kind = "note.added", .body = {{"text", std::to_string(i)}}}}));
    writer.publish();
    writer.stop();
  }
  static std::unique_ptr<LinuxDisk> open(std::string const& name) {
    auto disk = LinuxDisk::open_at(name);
    REQUIRE(disk);
    return std::move(disk).value();
  }
  Verdict verify(unsigned threads = 1) {
    VerifyOptions options;
    options.state = state.get();
    options.threads = threads;
    options.vkey = test_key().vkey(TestVault::origin);
    return verify_vault(*vault, options);
  }
  /// Of the evidence: neither staging nor what is not verified.
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (auto const& entry : fs::recursive_directory_iterator(path)) {
      std::string const name = fs::relative(entry.path(), path).string();
      if (entry.is_regular_file() && !name.starts_with("staging/") && !name.starts_with("journal."))
        found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  std::string read(std::string const& name) const {
    std::ifstream file(path + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(std::string const& name, std::string const& bytes) const {
    std::string const full = path + "/" + name;
    struct stat before {};
    bool const there = ::stat(full.c_str(), &before) == 0;
    if (there) ::chmod(full.c_str(), 0600);
    std::ofstream(full, std::ios::binary | std::ios::trunc) << bytes;
    if (there) ::chmod(full.c_str(), before.st_mode & 07777);
  }
};

std::string text(Verdict const& verdict) { return verdict.to_json().dump(2); }

bool names(Verdict const& verdict, std::string const& file) {
  for (Problem const& problem : verdict.problems)
    if (problem.where == file) return true;
  return false;
}

char const* kind_of(std::string const& file) {
  for (char const* kind :
       {"objects/", "warc/", "log/tile/entries/", "log/tile/0/", "log/tile/1/", "log/checkpoint", "vault.toml"})
    if (file.starts_with(kind)) return kind;
  return "?";
}

}  // namespace

TEST_CASE("P2: one byte changed in each kind of file, one at a time, is found and its file named") {
  RealVault vault;
  REQUIRE_MESSAGE(vault.verify().ok(), text(vault.verify()));
  std::map<std::string, std::size_t> changes;
  SeededRandomness randomness(11);
  for (std::string const& file : vault.files()) {
    CAPTURE(file);
    std::string const good = vault.read(file);
    ++changes[kind_of(file)];  // an empty object has no byte to change; files are removed below
    std::size_t const step =
        all() && good.size() <= 4'096 ? 1 : std::max<std::size_t>(1, good.size() / (all() ? 500 : 25));
    for (std::size_t i = 0; i < good.size(); i += step) {
      std::string bad = good;
      auto const by = static_cast<unsigned char>(1 + randomness.below(255));
      bad[i] = static_cast<char>(static_cast<unsigned char>(bad[i]) ^ by);
      vault.write(file, bad);
      Verdict const verdict = vault.verify();
      if (verdict.ok() || !names(verdict, file)) FAIL_CHECK("byte " << i << " of " << file << ": " << text(verdict));
      ++changes[kind_of(file)];
    }
    vault.write(file, good);
  }
  CHECK(vault.verify().ok());
  CHECK(changes.size() == 7);
  for (auto const& [kind, count] : changes) {
    MESSAGE(kind << ": " << count);
    CHECK(count >= 20);
  }
}

TEST_CASE("P2: a file that is cut, made longer or removed is found and named") {
  RealVault vault;
  for (std::string const& file : vault.files()) {
    CAPTURE(file);
    std::string const good = vault.read(file);
    std::vector<std::string> bad{good + "x"};
    if (!good.empty()) bad.push_back(good.substr(0, good.size() - 1));
    if (!good.empty()) bad.emplace_back();
    for (std::string const& bytes : bad) {
      CAPTURE(bytes.size());
      vault.write(file, bytes);
      Verdict const verdict = vault.verify();
      CHECK_FALSE(verdict.ok());
      CHECK(names(verdict, file));
    }
    vault.write(file, good);
    // A kept checkpoint is named by no entry yet: its loss cannot be seen.
    fs::rename(vault.path + "/" + file, vault.folder.path("aside"));
    Verdict const verdict = vault.verify();
    CHECK_FALSE(verdict.ok());
    CHECK(names(verdict, file));
    fs::rename(vault.folder.path("aside"), vault.path + "/" + file);
  }
  CHECK(vault.verify().ok());
}

TEST_CASE("P2: a file added anywhere but in staging is found and named") {
  RealVault vault;
  std::vector<std::string> const places{"evil",
                                        "vault.toml.bak",
                                        "journal.2",
                                        "log/evil",
                                        "log/checkpoint.old",
                                        "log/checkpoints/evil",
                                        "log/checkpoints/7",
                                        "log/checkpoints/7.cosigned",
                                        "log/tile/evil",
                                        "log/tile/0/evil",
                                        "log/tile/0/002",
                                        "log/tile/0/001.p/3",
                                        "log/tile/entries/002",
                                        "log/tile/entries/x001",
                                        "log/tile/2/000.p/1",
                                        "log/tile/9/000",
                                        "objects/evil",
                                        "objects/zz",
                                        "objects/00/evil",
                                        "objects/00/" + std::string(64, '0'),
                                        "objects/00/" + std::string(62, 'A') + "00",
                                        "warc/evil.warc.gz",
                                        "warc/20170505T180000Z-9.warc.gz",
                                        "timestamps/1.tsr"};
  for (std::string const& place : places) {
    CAPTURE(place);
    bool const had_folder = fs::exists(fs::path(vault.path + "/" + place).parent_path());
    fs::create_directories(fs::path(vault.path + "/" + place).parent_path());
    vault.write(place, "evil");
    Verdict const verdict = vault.verify();
    CHECK_FALSE(verdict.ok());
    CHECK(names(verdict, place));
    fs::remove(vault.path + "/" + place);
    if (!had_folder) fs::remove_all(fs::path(vault.path + "/" + place).parent_path());
  }
  for (char const* place : {"staging/evil", "staging/swarm/evil", "staging/sealing/1-0", "staging/torn/evil"}) {
    vault.write(place, "evil");
    CHECK(vault.verify().ok());
  }
  fs::create_directory(vault.path + "/lost+found");
  vault.write("lost+found/#1", "x");
  vault.write("reserve", std::string(1000, '\0'));
  Verdict const verdict = vault.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.not_checked == std::vector<std::string>{"reserve"});
}

TEST_CASE("P2: links, fifos, sockets and folders in the place of files are found, and none is followed") {
  RealVault vault;
  std::vector<std::string> files = vault.files();
  std::map<std::string, std::string> one_of_a_kind;
  for (std::string const& file : files) one_of_a_kind.emplace(kind_of(file), file);
  for (auto const& [kind, file] : one_of_a_kind) {
    CAPTURE(file);
    std::string const full = vault.path + "/" + file;
    std::string const aside = vault.folder.path("aside");
    fs::rename(full, aside);
    auto const check = [&] {
      Verdict const verdict = vault.verify();
      CHECK_FALSE(verdict.ok());
      CHECK(names(verdict, file));
      fs::remove(full);
    };
    fs::create_symlink(aside, full);  // the right bytes, but elsewhere
    check();
    REQUIRE(::mkfifo(full.c_str(), 0600) == 0);
    check();
    fs::create_directory(full);
    check();
    // /dev/null's number: where devices cannot be made, that is what keeps them out.
    if (::mknod(full.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0) {
      auto const disk = LinuxDisk::open_at(vault.path);
      auto const opened = DiskFile::open(*disk.value(), file, Open::read);
      REQUIRE_FALSE(opened);
      CHECK(opened.error().code == Code::refused);
      check();
    }
    fs::rename(aside, full);
  }
  fs::create_symlink("/", vault.path + "/warc/elsewhere");
  fs::create_symlink("/", vault.path + "/objects/elsewhere");
  fs::create_symlink("/", vault.path + "/log/tile/elsewhere");
  Verdict const verdict = vault.verify();
  CHECK(verdict.problems.size() == 3);
  for (char const* name : {"warc/elsewhere", "objects/elsewhere", "log/tile/elsewhere"}) {
    CHECK(names(verdict, name));
    fs::remove(vault.path + "/" + name);
  }
  for (char const* whole : {"objects", "warc", "log/tile", "log"}) {
    CAPTURE(whole);
    fs::rename(vault.path + "/" + whole, vault.folder.path("aside"));
    fs::create_symlink(vault.folder.path("aside"), vault.path + "/" + whole);
    CHECK_FALSE(vault.verify().ok());
    fs::remove(vault.path + "/" + whole);
    fs::rename(vault.folder.path("aside"), vault.path + "/" + whole);
  }
  CHECK(vault.verify().ok());
}

TEST_CASE("P2: objects swapped, records swapped, tiles swapped: found") {
  RealVault vault;
  auto const swap = [&](std::string const& a, std::string const& b) {
    std::string const bytes_a = vault.read(a);
    std::string const bytes_b = vault.read(b);
    REQUIRE(bytes_a != bytes_b);
    vault.write(a, bytes_b);
    vault.write(b, bytes_a);
    Verdict const verdict = vault.verify();
    CHECK_FALSE(verdict.ok());
    CHECK(names(verdict, a));
    vault.write(a, bytes_a);
    vault.write(b, bytes_b);
  };
  std::vector<std::string> objects;
  for (std::string const& file : vault.files())
    if (file.starts_with("objects/")) objects.push_back(file);
  REQUIRE(objects.size() == 2);
  swap(objects[0], objects[1]);
  swap("log/tile/0/000", "log/tile/entries/000");
  CHECK(vault.verify().ok());
}

TEST_CASE("P2: many threads find what one finds") {
  RealVault vault;
  {
    TestVault writer(*vault.vault, *vault.state, ::getuid(), 5);
    for (int i = 0; i < 200; ++i) writer.seal("exhibit " + std::to_string(i));
    writer.stop();
  }
  auto const files = vault.files();
  int damaged = 0;
  for (std::string const& file : files)
    if (file.starts_with("objects/") && ++damaged % 3 == 0) vault.write(file, "evil");
  Verdict const one = vault.verify(1);
  Verdict const many = vault.verify(8);
  CHECK(one.problems.size() == static_cast<std::size_t>(damaged / 3));
  CHECK(many.problems.size() == one.problems.size());
  CHECK(many.objects == one.objects);
  CHECK(many.bytes == one.bytes);
}
