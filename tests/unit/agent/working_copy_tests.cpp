#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "agent/work/working_copy.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/vault.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::agent;
using evidence::TemporaryFolder;

namespace {

std::string text_in(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::uint32_t mode_of(std::string const& path) {
  struct stat facts {};
  REQUIRE(::lstat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

std::size_t count_below(std::string const& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::recursive_directory_iterator(folder), {}));
}

/// Objects as a vault keeps them.
struct Objects {
  TemporaryFolder place;
  std::unique_ptr<LinuxDisk> disk;

  Objects() {
    auto opened = LinuxDisk::open_at(place.path());
    REQUIRE(opened);
    disk = std::move(opened).value();
  }
  ToCopy add(std::string const& name, std::string const& bytes) {
    Sha256 const digest = sha256(bytes_of(bytes));
    std::string const path = evidence::object_path(digest);
    REQUIRE(make_folders(*disk, folder_of(path)));
    if (!disk->facts_of(path)) REQUIRE(write_whole(*disk, path, bytes_of(bytes), Replace::no));
    return {name, true, digest, bytes.size()};
  }
  std::string path_of(ToCopy const& file) const { return place.path(evidence::object_path(file.sha256)); }
};

}  // namespace

TEST_CASE("a part of a stranger's path becomes a plain name on every system") {
  std::string const long_name(300, 'a');
  for (auto const& [part, safe] :
       std::vector<std::pair<std::string, std::string>>{{"mail.eml", "mail.eml"},
                                                        {"señor ü 日本.txt", "señor ü 日本.txt"},
                                                        {"", "_"},
                                                        {".", "_"},
                                                        {"..", "__"},
                                                        {" ", "_"},
                                                        {"a/b", "a_b"},
                                                        {std::string("a\0b", 3), "a_b"},
                                                        {"a\n\tb\x7f", "a__b_"},
                                                        {"a\xc2\x85z", "a_z"},
                                                        {"gpj\xe2\x80\xae.exe", "gpj_.exe"},
                                                        {".htaccess", "_htaccess"},
                                                        {" x. ", "_x._"},
                                                        {"x.", "x_"},
                                                        {"caf\xe9", "caf\\xe9"},
                                                        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
                                                        {"\xc0\xaf", "\\xc0\\xaf"},
                                                        {"CON", "_CON"},
                                                        {"nul.tar.gz", "_nul.tar.gz"},
                                                        {"aux .txt", "_aux .txt"},
                                                        {"Com1", "_Com1"},
                                                        {"LPT².log", "_LPT².log"},
                                                        {"conin$", "_conin$"},
                                                        {"com10", "com10"},
                                                        {"console", "console"},
                                                        {long_name + ".eml", std::string(236, 'a') + ".eml"},
                                                        {std::string(239, 'a') + "ü", std::string(239, 'a')},
                                                        {"." + std::string(400, '\xff'), ""}}) {
    std::string const got = safe_name(part);
    if (!safe.empty()) CHECK(got == safe);
    CHECK(got.size() <= 240);
    CHECK(!got.empty());
    CHECK(is_utf8(got));
    CHECK(got.find('/') == std::string::npos);
    CHECK(safe_name(got) == got);
  }
}

TEST_CASE("every byte and every pair of bytes gives a safe name") {
  for (unsigned a = 0; a < 256; ++a)
    for (unsigned b = 0; b < 256; ++b) {
      std::string const got = safe_name(std::string{static_cast<char>(a), static_cast<char>(b)});
      bool const plain = is_utf8(got) && !got.empty() && got.front() != '.' && got.back() != '.' &&
                         got.front() != ' ' && got.back() != ' ' && std::none_of(got.begin(), got.end(), [](char c) {
                           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '/';
                         });
      if (!plain) FAIL_CHECK("bytes ", a, " ", b, " gave ", got);
    }
}

TEST_CASE("safe paths are all different, and folders that differ stay apart") {
  std::vector<std::string> const originals{"d/a.txt", "d/A.txt", "d/a.txt", "d\x01/x", "d\x02/x", "names.tsv",
                                           "../up",   "/abs",    "x",       "x/below", "a (2)",   "d/a (2).txt"};
  std::vector<std::string> const safe = safe_names(originals);
  CHECK(safe == std::vector<std::string>{"d/a.txt", "d/A (2).txt", "d/a (3).txt", "d_/x", "d_ (2)/x", "names (2).tsv",
                                         "__/up", "_/abs", "x", "x (2)/below", "a (2)", "d/a (2) (2).txt"});
  CHECK(std::set<std::string>(safe.begin(), safe.end()).size() == originals.size());
}

TEST_CASE("a hundred thousand equal names, and one of a thousand folders, cost no more than their number") {
  std::vector<std::string> originals(100'000, "same.eml");
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "\xff/";
  originals.push_back(deep + "one");
  originals.push_back(deep + "two");
  std::vector<std::string> const safe = safe_names(originals);
  CHECK(safe[0] == "same.eml");
  CHECK(safe[99'999] == "same (100000).eml");
  CHECK(std::set<std::string>(safe.begin(), safe.end()).size() == originals.size());
  for (std::string const& path : safe) CHECK(path.size() < 2'300);
}

TEST_CASE("a working copy has the bytes, the names and read-only modes; names.tsv only when a name differs") {
  Objects objects;
  TemporaryFolder place;
  std::vector<ToCopy> files{objects.add("leak/1.eml", "first"),
                            objects.add("leak/deep/2.eml", std::string(3 << 20, 'x')), objects.add("leak/empty", "")};
  {
    auto copy = WorkingCopy::begin(place.path("plain"));
    REQUIRE(copy);
    REQUIRE(copy.value().copy(*objects.disk, files, {}, {}));
    copy.value().keep();
  }
  CHECK(text_in(place.path("plain/leak/1.eml")) == "first");
  CHECK(text_in(place.path("plain/leak/deep/2.eml")) == std::string(3 << 20, 'x'));
  CHECK(mode_of(place.path("plain/leak/1.eml")) == 0444);
  for (char const* folder : {"plain", "plain/leak", "plain/leak/deep"}) CHECK(mode_of(place.path(folder)) == 0755);
  CHECK(count_below(place.path("plain")) == 5);

  files.push_back(objects.add("leak/caf\xe9", "last"));
  files.push_back({"settings", false, files[0].sha256, 5});
  {
    auto copy = WorkingCopy::begin(place.path("odd"));
    REQUIRE(copy);
    REQUIRE(copy.value().copy(*objects.disk, files, {}, {}));
    copy.value().keep();
  }
  CHECK(text_in(place.path("odd/leak/caf\\xe9")) == "last");
  std::string const names = text_in(place.path("odd/names.tsv"));
  CHECK(names.starts_with("name\toriginal_hex\tsha256\n"));
  CHECK(names.find("leak/caf\\xe9\t6c65616b2f636166e9\t" + hex(files[3].sha256) + "\n") != std::string::npos);
  CHECK(names.find("settings\t\t" + hex(files[0].sha256) + "\n") != std::string::npos);
  CHECK(mode_of(place.path("odd/names.tsv")) == 0444);
}

TEST_CASE("a copy that fails is removed again, and nothing else is") {
  Objects objects;
  TemporaryFolder place;
  std::vector<ToCopy> const files{objects.add("a/b/1", "first"), objects.add("a/2", "second")};
  std::filesystem::create_directory(place.path("mine"));

  SUBCASE("an object that was altered is named") {
    std::ofstream(objects.path_of(files[1]), std::ios::binary) << "secend";
    for (char const* folder : {"mine", "new"}) {
      auto copy = WorkingCopy::begin(place.path(folder));
      REQUIRE(copy);
      auto const done = copy.value().copy(*objects.disk, files, {}, {});
      REQUIRE_FALSE(done);
      CHECK(done.error().code == Code::damaged);
      CHECK(done.error().where == evidence::object_path(files[1].sha256));
    }
  }
  SUBCASE("an object that grew") {
    std::ofstream(objects.path_of(files[1]), std::ios::binary | std::ios::app) << "more";
    auto copy = WorkingCopy::begin(place.path("new"));
    REQUIRE(copy);
    CHECK(copy.value().copy(*objects.disk, files, {}, {}).error().code == Code::damaged);
  }
  SUBCASE("an object that is gone") {
    std::filesystem::remove(objects.path_of(files[1]));
    auto copy = WorkingCopy::begin(place.path("new"));
    REQUIRE(copy);
    CHECK(copy.value().copy(*objects.disk, files, {}, {}).error().code == Code::not_found);
  }
  SUBCASE("somebody stops it") {
    auto copy = WorkingCopy::begin(place.path("new"));
    REQUIRE(copy);
    bool one_done = false;
    auto const done = copy.value().copy(
        *objects.disk, files, [&] { return one_done; }, [&](std::size_t, std::uint64_t) { one_done = true; });
    CHECK(done.error().code == Code::cancelled);
  }
  SUBCASE("all went well, but nobody keeps it; a stranger's file in it stays") {
    {
      auto copy = WorkingCopy::begin(place.path("mine"));
      REQUIRE(copy);
      REQUIRE(copy.value().copy(*objects.disk, files, {}, {}));
      std::ofstream(place.path("mine/a/stranger")) << "x";
    }
    CHECK(text_in(place.path("mine/a/stranger")) == "x");
    CHECK(count_below(place.path("mine")) == 2);
    std::filesystem::remove_all(place.path("mine/a"));
  }
  CHECK_FALSE(std::filesystem::exists(place.path("new")));
  CHECK(count_below(place.path("mine")) == 0);
}

TEST_CASE("a copy goes into a new or empty folder and nowhere else") {
  TemporaryFolder place;
  std::filesystem::create_directory(place.path("empty"));
  std::filesystem::create_directory(place.path("full"));
  std::ofstream(place.path("full/x")) << "x";
  std::filesystem::create_symlink("empty", place.path("link"));
  std::string const real = std::filesystem::canonical(place.path()).string();
  CHECK(place_for_copy(place.path("new") + "//").value() == real + "/new");
  CHECK(place_for_copy(place.path("empty/../empty")).value() == real + "/empty");
  for (char const* wrong : {"full", "full/x", "link", "missing/new"})
    CHECK(place_for_copy(place.path(wrong)).error().code == Code::usage);
  CHECK(place_for_copy("").error().code == Code::usage);
  CHECK_FALSE(WorkingCopy::begin(place.path("full")));
  CHECK(text_in(place.path("full/x")) == "x");
}

TEST_CASE("a link that somebody puts into the copy is not followed") {
  Objects objects;
  TemporaryFolder place;
  std::filesystem::create_directory(place.path("outside"));
  std::vector<ToCopy> const files{objects.add("1", "first"), objects.add("a/2", "second")};
  auto copy = WorkingCopy::begin(place.path("new"));
  REQUIRE(copy);
  auto const done = copy.value().copy(*objects.disk, files, {}, [&](std::size_t count, std::uint64_t) {
    if (count == 1) std::filesystem::create_symlink(place.path("outside"), place.path("new/a"));
  });
  CHECK_FALSE(done);
  CHECK(count_below(place.path("outside")) == 0);
}

TEST_CASE("what lies beneath a folder, links resolved") {
  TemporaryFolder place;
  std::filesystem::create_directories(place.path("vault/objects"));
  std::filesystem::create_directory(place.path("vault-2"));
  std::filesystem::create_directory_symlink("vault", place.path("link"));
  std::string const vault = place.path("vault");
  for (char const* beneath : {"vault", "vault/objects", "vault/new", "link/new", "vault-2/../vault/new"})
    CHECK(is_beneath(place.path(beneath), vault));
  for (char const* apart : {"vault-2", "vault-2/new", "new", ""}) CHECK_FALSE(is_beneath(place.path(apart), vault));
}

TEST_CASE("a path stands in an entry as text, with its bytes when the text does not tell them") {
  Json plain;
  add_path(plain, "path", "dump/señor.eml");
  CHECK(plain == Json{{"path", "dump/señor.eml"}});
  Json odd;
  add_path(odd, "path", "caf\xe9");
  CHECK(odd == Json{{"path", "caf?"}, {"path_hex", "636166e9"}});
  Json line;
  add_path(line, "to", "a\nb");
  CHECK(line == Json{{"to", "a?b"}, {"to_hex", "610a62"}});
}
