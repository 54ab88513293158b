// P2 on a real file system: what lies in a vault and does not belong there, links and devices above all, and what many
// threads find in it.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "evidence/formats/hex.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;
namespace fs = std::filesystem;

namespace {

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
