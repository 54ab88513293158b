// P7: logs that this code wrote, judged by programs that share nothing with it: golang.org/x/mod/sumdb and openssl.
// Logs that were tampered with must fail there, too. IMPOUND_LOG_DIR=<folder> keeps the logs for a look.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/system/disk.h"
#include "tests/support/counts.h"
#include "tests/support/test_key.h"
#include "tests/support/whole_log.h"

namespace impound::evidence {
namespace {

namespace fs = std::filesystem;
constexpr char const* origin = "agent.example/evidence";

/// The folder of all logs: named by the environment and kept, or gone with the test.
struct Place {
  fs::path path;
  bool kept = false;
  Place() {
    if (char const* named = std::getenv("IMPOUND_LOG_DIR")) {
      path = named;
      kept = true;
      return;
    }
    std::string name = (fs::temp_directory_path() / "impound-logs-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Place() {
    std::error_code ignored;
    if (!kept) fs::remove_all(path, ignored);
  }
  Place(Place const&) = delete;
  Place& operator=(Place const&) = delete;
};

std::string file(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The entries of a published example, by which its roots are known.
std::string entry(std::uint64_t number) {
  std::string const object = hex(sha256(bytes_of("object " + std::to_string(number))));
  return "{\"seq\":" + std::to_string(number) + ",\"type\":\"capture\",\"sha256\":\"" + object + "\"}";
}

void write_log(fs::path const& folder, std::uint64_t size) {
  fs::remove_all(folder);
  fs::create_directories(folder / "vault");
  fs::create_directories(folder / "state");
  auto const vault = LinuxDisk::open_at((folder / "vault").string()).value();
  auto const state = LinuxDisk::open_at((folder / "state").string()).value();
  SigningKey const& signing = test_key();
  auto log = CustodyLog::create(*vault, *state, signing, origin, entry(0));
  REQUIRE(log);
  while (log.value()->size() < size) {
    std::vector<std::string> group;
    for (std::uint64_t i = log.value()->size(); i < size && group.size() < 1'000; ++i) group.push_back(entry(i));
    REQUIRE(log.value()->append(group));
  }
  REQUIRE(log.value()->publish());
  std::ofstream(folder / "vkey") << signing.vkey(origin) << "\n";
}

struct Answer {
  int status = -1;
  std::string out;
};

Answer ran(std::string const& command) {
  Answer answer;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe{::popen((command + " 2>&1").c_str(), "r"), ::pclose};
  if (!pipe) return answer;
  std::array<char, 4096> block;
  while (std::size_t const count = std::fread(block.data(), 1, block.size(), pipe.get()))
    answer.out.append(block.data(), count);
  answer.status = ::pclose(pipe.release());
  return answer;
}

/// The Go verifier's program, built once; empty when this machine cannot build it, which CI must not pass over.
std::string const& logcheck() {
  static std::string const program = []() -> std::string {
    if (ran("command -v go").status != 0 || !fs::exists("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")) return {};
    std::string const made = std::string(BUILD_ROOT) + "/logcheck";
    Answer const built = ran("GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=" + std::string(BUILD_ROOT) +
                             "/gocache go build -o " + made + " " + SOURCE_ROOT + "/tests/support/go/logcheck/main.go");
    INFO(built.out);
    CHECK(built.status == 0);
    return built.status == 0 ? made : std::string();
  }();
  return program;
}

bool can_check() {
  if (!logcheck().empty()) return true;
  CHECK(std::getenv("CI") == nullptr);
  MESSAGE("skipped: golang-go and golang-golang-x-mod-dev are needed");
  return false;
}

Answer judged(fs::path const& folder) {
  return ran(logcheck() + " " + (folder / "vault/log").string() + " " + (folder / "vkey").string());
}

Answer openssl_says(fs::path const& folder) {
  return ran(std::string(SOURCE_ROOT) + "/tests/support/openssl_checkpoint.sh " +
             (folder / "vault/log/checkpoint").string() + " '" + test_key().vkey(origin) + "'");
}

TEST_CASE("P7: the log of a published example has its bytes and roots") {
  Place const place;
  fs::path const folder = place.path / "example";
  write_log(folder, 7);
  CHECK(test_key().vkey(origin) == "agent.example/evidence+e2dd5fc7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs");
  CHECK(file(folder / "vault/log/checkpoint") ==
        "agent.example/evidence\n7\neOZoE4cGSJOcG6Ij8We/GvkWrlKQZ7AD4lexhsOivis=\n\n"
        "— agent.example/evidence "
        "4t1fx6TqDDBJQzHsR3o8mPrgwzygV0dE1ZtfrbVcqMnQK2+0Qjux2ZS0BEWiKkFKdbEQRku4Xjwt4nVbrWE2QGlMrwY=\n");
  CHECK(hex(sha256(bytes_of(file(folder / "vault/log/tile/0/000.p/7")))) ==
        "fa386c430bb0312737fb8df80e6d984e97ca5392fac8180075cb56c861d71409");
  CHECK(hex(sha256(bytes_of(file(folder / "vault/log/tile/entries/000.p/7")))) ==
        "d91ad26d17010a9b4a4d87d1d95f5acdc6b9e89607449aaf00a9d42ff6333bda");
}

TEST_CASE("P7: Go and openssl accept logs of every kind of size, with the roots of the example") {
  Place const place;
  if (!can_check()) return;
  struct Row {
    std::uint64_t size;
    char const* root;  // known for some
  };
  for (Row const& row : {Row{1, "3jFCv5KzbmhfzMfpo8ErX1kqcst84kp4QqSSA9Sxt2o="}, Row{2, ""}, Row{255, ""}, Row{256, ""},
                         Row{257, ""}, Row{300, "1XFyUsO2iAPuZthwRvXx9bPn/QdP9klBDLqz2CVqx9Y="}, Row{700, ""},
                         Row{70'000, "g9xunHYJrkzXhR9OODS+z9fN/+EWDEdmKHKQGCVrhik="}}) {
    CAPTURE(row.size);
    fs::path const folder = place.path / std::to_string(row.size);
    write_log(folder, row.size);
    Answer const go = judged(folder);
    INFO(go.out);
    CHECK(go.status == 0);
    CHECK(go.out.starts_with("OK " + std::to_string(row.size) + " entries, root " + row.root));
    CHECK(openssl_says(folder).out == "OK agent.example/evidence\n");
  }
  CHECK(fs::exists(place.path / "70000/vault/log/tile/2/000.p/1"));
  CHECK(fs::exists(place.path / "70000/vault/log/tile/1/001.p/17"));
  CHECK(fs::exists(place.path / "70000/vault/log/tile/entries/273.p/112"));
}

/// One byte of a file made another.
void bend(fs::path const& path, std::size_t at) {
  std::string bytes = file(path);
  REQUIRE(at < bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_CASE("P2: Go refuses a log with any kind of file changed, removed or added") {
  Place const place;
  if (!can_check()) return;
  fs::path const folder = place.path / "tampered";
  write_log(folder, 300);
  REQUIRE(judged(folder).status == 0);
  fs::path const log = folder / "vault/log";
  fs::path const good = place.path / "good";
  fs::remove_all(good);
  fs::copy(log, good, fs::copy_options::recursive);
  auto const refused = [&](char const* what, auto const& tamper) {
    tamper();
    Answer const go = judged(folder);
    INFO(std::string(what) << ": " << go.out);
    CHECK(go.status != 0);
    CHECK(go.out.starts_with("FAIL "));
    fs::remove_all(log);
    fs::copy(good, log, fs::copy_options::recursive);
  };
  std::size_t files = 0;
  for (auto const& found : fs::recursive_directory_iterator(good)) {
    if (!found.is_regular_file()) continue;
    ++files;
    fs::path const path = log / fs::relative(found.path(), good);
    std::string const name = path.string();
    for (std::size_t const at : {std::size_t{0}, fs::file_size(found.path()) / 2, fs::file_size(found.path()) - 2})
      refused(name.c_str(), [&] { bend(path, at); });
    refused(name.c_str(), [&] { fs::remove(path); });
    refused(name.c_str(), [&] { std::ofstream(path, std::ios::app) << "x"; });
  }
  CHECK(files == 6);
  refused("an added tile", [&] { std::ofstream(log / "tile/0/002") << "x"; });
  refused("a log of another key", [&] { bend(folder / "vkey", 30); });
}

TEST_CASE("P2: openssl refuses a checkpoint changed in its text or signature") {
  Place const place;
  fs::path const folder = place.path / "signature";
  write_log(folder, 3);
  fs::path const checkpoint = folder / "vault/log/checkpoint";
  std::string const good = file(checkpoint);
  REQUIRE(openssl_says(folder).status == 0);
  std::size_t const stride = full_counts() ? 3 : 29;
  for (std::size_t at = 0; at < good.size() - 1; at += stride) {
    bend(checkpoint, at);
    CAPTURE(at);
    CHECK(openssl_says(folder).status != 0);
    std::ofstream(checkpoint, std::ios::binary) << good;
  }
}

}  // namespace
}  // namespace impound::evidence
