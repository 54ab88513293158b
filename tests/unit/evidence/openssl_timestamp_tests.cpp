// The same files under other people's program: replies of `openssl ts -reply`, and `openssl ts -verify` straight from
// the vault.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "evidence/log_reader.h"
#include "evidence/system/randomness.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/stamped_vault.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {
namespace {

bool run(std::string const& command) { return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0; }

std::string content(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Two authorities with openssl's own certificates; one makes the SHA-1 id of RFC 2634, as openssl 3.0 does unasked.
struct Authorities {
  TemporaryFolder folder;
  std::vector<TimestampAuthority> both;

  Authorities() {
    std::string const tool = std::string("/usr/bin/python3 ") + SOURCE_ROOT + "/tests/support/tsa_server.py ";
    REQUIRE(run(tool + "make --crl-url http://crl.example/ca.crl " + folder.path() + " one:sha256 two:sha1"));
    auto roots = TrustedRoots::from_pem(content(folder.path("root.pem")));
    REQUIRE(roots);
    for (char const* name : {"one", "two"}) both.push_back({name, "http://tsa.example/", roots.value()});
  }
  AskAuthority ask() const {
    return [this](TimestampAuthority const& authority, std::string_view query) -> Result<std::string> {
      std::ofstream(folder.path("q.tsq"), std::ios::binary) << query;
      bool const made = run("cd " + folder.path() + " && openssl ts -reply -config " + authority.name +
                            ".cnf -section this -queryfile q.tsq -out r.tsr");
      if (!made) return Error{Code::io, "openssl made no reply", {}, {}};
      return content(folder.path("r.tsr"));
    };
  }
  FetchCrl fetch() const {
    return [this](TimestampAuthority const&, std::string const& url) -> Result<std::string> {
      CHECK(url == "http://crl.example/ca.crl");
      return content(folder.path("ca.crl"));
    };
  }
};

/// The commands of VERIFY.md's section on time-stamps, to the letter.
std::string commands_as_written() {
  std::string const page = content(std::string(SOURCE_ROOT) + "/VERIFY.md");
  constexpr std::string_view fence = "```sh\n";
  std::size_t const section = page.find("## 5. When it existed");
  REQUIRE(section != std::string::npos);
  std::size_t const from = page.find(fence, section) + fence.size();
  return page.substr(from, page.find("```\n", from) - from);
}

/// What they print over the vault in `place`, and "ended well" if they do.
std::string printed(TestVault const& writer, Disk& vault, TemporaryFolder const& place, std::string const& roots) {
  auto log = LogReader::open(vault, writer.vkey());
  REQUIRE(log);
  std::ofstream entries(place.path("entries"));
  REQUIRE(
      log.value().each(0, log.value().checkpoint().size, [&](std::uint64_t, std::string_view entry) -> Result<void> {
        entries << entry << "\n";
        return ok();
      }));
  entries.close();
  std::ofstream(place.path("tsa-roots.pem")) << roots;
  std::ofstream(place.path("commands.sh"))
      << "set -euo pipefail\nWORK='" << place.path() << "'\nTSA_CA=\"$WORK/tsa-roots.pem\"\n"
      << commands_as_written() << "echo ended well\n";
  (void)run("cd " + place.path("v") + " && bash " + place.path("commands.sh") + " > " + place.path("printed"));
  return content(place.path("printed"));
}

void check_as_written(TestVault const& writer, Disk& vault, TemporaryFolder const& place, std::string const& roots) {
  std::string const good = printed(writer, vault, place, roots);
  CHECK(good.find("ended well") != std::string::npos);
  CHECK(good.find("Verification: OK") != good.rfind("Verification: OK"));  // both tokens
  CHECK(good.find("3 entries existed at ") != std::string::npos);
  CHECK(run("cd " + place.path() + R"( && grep '"kind":"timestamp' entries > stampings.jsonl && /usr/bin/python3 )" +
            SOURCE_ROOT + "/tests/support/schema_check.py " + SOURCE_ROOT + "/config/schema stampings.jsonl"));
  std::string const token = place.path("v/") + "timestamps/" + std::to_string(3) + "/one.tsr";
  REQUIRE(std::filesystem::exists(token));
  std::string const bytes = content(token);
  std::filesystem::permissions(token, std::filesystem::perms::owner_write | std::filesystem::perms::owner_read);
  std::string other = bytes;
  other[bytes.size() / 2] = static_cast<char>(other[bytes.size() / 2] ^ 1);
  std::ofstream(token, std::ios::binary) << other;
  std::string const said = printed(writer, vault, place, roots);
  CHECK(said.find("one.tsr: FAILED") != std::string::npos);
  CHECK(said.find("ended well") == std::string::npos);
  std::ofstream(token, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("P7: tokens of openssl verify here, and with openssl straight from the files in the vault") {
  REQUIRE(run("openssl version"));
  Authorities authorities;
  TemporaryFolder place;
  REQUIRE(std::filesystem::create_directories(place.path("v")));
  REQUIRE(std::filesystem::create_directories(place.path("s")));
  auto vault = LinuxDisk::open_at(place.path("v"));
  auto state = LinuxDisk::open_at(place.path("s"));
  REQUIRE((vault && state));
  TestVault writer(*vault.value(), *state.value(), ::getuid());
  writer.seal("an exhibit");
  writer.publish();
  Checkpoint const newest = writer.log().checkpoint();
  std::string const note = content(place.path("v/log/checkpoint"));
  REQUIRE(keep_checkpoint(*vault.value(), newest.size, note));
  EntryId const attempt = writer.new_id();
  Json const body = attempt_body(newest.size, newest.root, note, 2, authorities.both);
  REQUIRE(writer.record({{.kind = "timestamp.attempt", .body = body, .id = attempt}}));
  SystemRandomness randomness;
  std::vector<KeptToken> tokens;
  for (TimestampAuthority const& authority : authorities.both) {
    auto token =
        stamp(*vault.value(), authority, newest.size, note, authorities.ask(), authorities.fetch(), randomness);
    if (!token) FAIL(line(token.error()));
    CHECK(token.value().crls.size() == 1);
    CHECK(token.value().ess_v2 == (authority.name == "one"));
    CHECK(token.value().accuracy_us == 1'500'100);
    tokens.push_back(std::move(token).value());
  }
  Json const result = result_body(attempt_from_json(body).value(), tokens, {}, {});
  REQUIRE(writer.record({{.kind = "timestamp.result", .body = result, .of = attempt}}));
  writer.stop();

  VerifyOptions options;
  options.vkey = writer.vkey();
  options.tsa_roots_pem = {content(authorities.folder.path("root.pem"))};
  Verdict const verdict = verify_vault(*vault.value(), options);
  INFO(verdict.to_json().dump(2));
  CHECK(verdict.ok());
  CHECK(verdict.timestamps == 2);

  std::string const size = std::to_string(newest.size);
  for (char const* name : {"one", "two"}) {
    std::string const verify = "cd " + place.path("v") + " && openssl ts -verify -data log/checkpoints/" + size +
                               " -in timestamps/" + size + "/" + name + ".tsr -CAfile " +
                               authorities.folder.path("root.pem") + " -attime $(date +%s)";
    CHECK(run(verify));
    // As VERIFY.md has it, with the chain that is kept and the list of what was revoked.
    std::string const chain =
        "cd " + place.path("v") + "/timestamps/" + size + " && openssl crl -inform DER -in " + name + ".0.crl -out " +
        place.path("crl.pem") + " && openssl verify -crl_check -purpose timestampsign -CAfile " +
        authorities.folder.path("root.pem") + " -CRLfile " + place.path("crl.pem") + " " + name + ".chain.pem";
    CHECK(run(chain));
  }
  check_as_written(writer, *vault.value(), place, content(authorities.folder.path("root.pem")));
  CHECK_FALSE(run("cd " + place.path("v") + " && openssl ts -verify -data log/checkpoint -in timestamps/" + size +
                  "/one.tsr -CAfile " + authorities.folder.path("root.pem")));
}

}  // namespace impound::evidence
