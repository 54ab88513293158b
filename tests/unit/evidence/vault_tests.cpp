#include "evidence/vault.h"

#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

VaultIdentity an_identity() {
  auto identity =
      VaultIdentity::make(TestVault::origin, test_key().vkey(TestVault::origin), "2017-05-05T18:00:00.000000Z");
  REQUIRE(identity);
  return identity.value();
}

}  // namespace

TEST_CASE("a vault is made with all its folders, and vault.toml last") {
  TemporaryFolder const folder;
  std::string const path = folder.path("v");
  bool toml_was_there = true;
  REQUIRE(Vault::create(path, an_identity(), [&](Disk& disk) -> Result<void> {
    toml_was_there = static_cast<bool>(disk.facts_of("vault.toml"));
    return ok();
  }));
  CHECK_FALSE(toml_was_there);
  auto vault = Vault::open_for_writing(path);
  REQUIRE(vault);
  CHECK(vault.value()->identity().toml == an_identity().toml);
  CHECK(vault.value()->identity().origin == TestVault::origin);
  CHECK(vault.value()->identity().short_name().size() == 16);
  CHECK(vault.value()->disk().list("objects", 1000).value().size() == 256);
  for (char const* name :
       {"log/checkpoints", "log/tile", "warc", "timestamps", "staging/swarm", "staging/sealing", "staging/torn"})
    CHECK(vault.value()->disk().facts_of(name).value().type == FileFacts::Type::folder);
}

TEST_CASE("a vault whose making was cut short is no vault") {
  TemporaryFolder const folder;
  std::string const path = folder.path("v");
  auto cut = Vault::create(path, an_identity(), [](Disk&) -> Result<void> { return Error{Code::io, "cut", {}, {}}; });
  CHECK_FALSE(cut);
  auto opened = Vault::open_for_writing(path);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::not_found);
  CHECK(opened.error().hint.find("impound init") != std::string::npos);
}

TEST_CASE("a folder that is not empty becomes no vault") {
  TemporaryFolder const folder;
  std::ofstream(folder.path("notes.txt")) << "mine";
  auto made = Vault::create(folder.path(), an_identity());
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Code::exists);
}

TEST_CASE("vault.toml is read strictly") {
  std::string const good = an_identity().toml;
  CHECK(VaultIdentity::parse(good));
  for (std::string const& bad :
       {std::string(), std::string("\xff"), good + "more = 1\n", good + good, std::string(5000, '#'),
        std::string("format = 2\norigin = \"a\"\nvkey = \"b\"\ncreated = \"2017-05-05T18:00:00Z\"\n"),
        std::string("format = \"1\"\norigin = \"a\"\nvkey = \"b\"\ncreated = \"2017-05-05T18:00:00Z\"\n"),
        std::string("format = 1\norigin = \"\"\nvkey = \"b\"\ncreated = \"2017-05-05T18:00:00Z\"\n"),
        std::string("format = 1\norigin = \"a\\nb\"\nvkey = \"b\"\ncreated = \"2017-05-05T18:00:00Z\"\n"),
        std::string("format = 1\norigin = \"a\"\nvkey = \"b\"\ncreated = \"yesterday\"\n")}) {
    auto parsed = VaultIdentity::parse(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::malformed);
  }
  CHECK_FALSE(VaultIdentity::make("two\nlines", "k", "2017-05-05T18:00:00Z"));
  CHECK_FALSE(VaultIdentity::make("o", "k\"", "2017-05-05T18:00:00Z"));
}

TEST_CASE("a held vault names the pid and the command of its holder") {
  TemporaryFolder const folder;
  std::string const path = folder.path("v");
  REQUIRE(Vault::create(path, an_identity()));
  int to_parent[2];
  int to_child[2];
  REQUIRE(::pipe(to_parent) == 0);
  REQUIRE(::pipe(to_child) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    auto held = Vault::open_for_writing(path);
    char const byte = held ? 'y' : 'n';
    if (::write(to_parent[1], &byte, 1) != 1) ::_exit(1);
    char ignored = 0;
    ::close(to_child[1]);
    [[maybe_unused]] auto const end = ::read(to_child[0], &ignored, 1);
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(to_parent[0], &byte, 1) == 1);
  CHECK(byte == 'y');
  auto refused = Vault::open_for_writing(path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::held);
  CHECK(refused.error().what.find("is held by pid " + std::to_string(child) + " (test_unit_evidence") !=
        std::string::npos);
  auto reader = Vault::open_for_reading(path);
  REQUIRE(reader);
  CHECK(reader.value()->held_by_writer());
  ::close(to_child[1]);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(reader.value()->held_by_writer());
  auto writer = Vault::open_for_writing(path);
  CHECK(writer);
  for (int const end : {to_parent[0], to_parent[1], to_child[0]}) ::close(end);
}

TEST_CASE("an object's path") { CHECK(object_path(Sha256{}) == "objects/00/" + std::string(64, '0')); }
