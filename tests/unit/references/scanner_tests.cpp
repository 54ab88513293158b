#include "fetchers/references/scanner.h"

#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "evidence/formats/hex.h"

using namespace impound;
using namespace impound::fetchers;
namespace fs = std::filesystem;

namespace {

std::string const v1 = "d2354010a3ca4ade5b7427bb093a62a3899ff381";
std::string const v2 = "80e00d84343afd2b6392e966c1267807461946ba9db1d5af4bb50779dcf1ab4e";

/// Scans, and checks on the way what holds for every answer.
std::vector<Reference> found_in(std::string_view text) {
  auto found = scan(text, ScanLimits{});
  std::size_t before = 0;
  for (auto const& reference : found) {
    CHECK(reference.length == reference.text.size());
    CHECK(text.substr(reference.offset, reference.length) == reference.text);
    CHECK(reference.offset >= before);
    CHECK_FALSE(reference.canonical.empty());
    CHECK_FALSE(reference.rule.empty());
    before = reference.offset;
  }
  return found;
}

std::string whole(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Score {
  std::size_t right = 0, missed = 0, wrong = 0;
  void compare(std::set<std::string> const& expected, std::set<std::string> const& found, std::string const& where) {
    for (auto const& one : expected) {
      right += found.count(one);
      missed += 1 - found.count(one);
      if (!found.contains(one)) MESSAGE(where << ": missed " << one);
    }
    for (auto const& one : found)
      if (!expected.contains(one)) {
        ++wrong;
        MESSAGE(where << ": wrong " << one);
      }
  }
  double recall() const { return static_cast<double>(right) / static_cast<double>(right + missed); }
  double precision() const { return static_cast<double>(right) / static_cast<double>(right + wrong); }
};

std::set<std::string> as_set(nlohmann::json const& list) { return list.get<std::set<std::string>>(); }

/// What is found of one kind and rule, by `spelling`.
template <class Spelling>
std::set<std::string> of(std::vector<Reference> const& found, ReferenceKind kind, std::string_view rule,
                         Spelling spelling) {
  std::set<std::string> out;
  for (auto const& reference : found)
    if (reference.kind == kind && (rule.empty() || reference.rule == rule)) out.insert(spelling(reference));
  return out;
}

// Links that are there, and that the tool which wrote the truth read only up to their parenthesis.
std::set<std::string> overlooked(std::string const& name) {
  if (name.ends_with("/File:Salvini_(complete).torrent.md")) return {"../images/8/89/Salvini_(complete).torrent"};
  return {};
}

// UTF-16 and KOI8 wait for the reader, which decodes first; the second still has readable ASCII.
bool readable_as_it_is(std::string const& decoded_as) { return decoded_as != "utf-16" && decoded_as != "utf-16-le"; }

}  // namespace

TEST_CASE("real pages give the references that are in them") {
  Score magnets, urls, relative, items, labelled;
  std::size_t files = 0;
  for (auto const& entry : fs::recursive_directory_iterator(TEST_DATA "/texts/files")) {
    if (!entry.is_regular_file()) continue;
    auto const name = fs::relative(entry.path(), TEST_DATA "/texts/files").string();
    auto const truth_path = std::string(TEST_DATA "/texts/truth/") + name + ".json";
    INFO(name);
    REQUIRE(fs::exists(truth_path));
    auto const truth = nlohmann::json::parse(whole(truth_path));
    ++files;
    auto const found = found_in(whole(entry.path()));
    if (!readable_as_it_is(truth["decoded_as"])) continue;

    auto const hash = [](Reference const& r) { return r.hashes.v1 ? hex(*r.hashes.v1) : "v2 " + hex(*r.hashes.v2); };
    magnets.compare(as_set(truth["btih"]), of(found, ReferenceKind::magnet, "", hash), name);

    auto expected = as_set(truth["torrent_urls"]);
    for (auto const& page : as_set(truth["torrent_urls_that_are_html_pages"])) expected.erase(page);
    urls.compare(expected, of(found, ReferenceKind::torrent_url, "torrent_url", [](auto const& r) { return r.url; }),
                 name);
    auto expected_relative = as_set(truth["relative_torrent_hrefs"]);
    expected_relative.merge(overlooked(name));
    relative.compare(
        expected_relative,
        of(found, ReferenceKind::torrent_url, "relative_torrent_link", [](auto const& r) { return r.canonical; }),
        name);
    auto const item = [](Reference const& r) {
      return r.canonical.substr(std::string_view("https://archive.org/details/").size());
    };
    std::set<std::string> expected_items;  // "details:ID", "download:ID"
    for (auto const& one : as_set(truth["ia_items"])) expected_items.insert(one.substr(one.find(':') + 1));
    items.compare(expected_items, of(found, ReferenceKind::archive_item, "", item), name);

    // Of bare hashes only a label makes a reference; the malware lists and piece hashes in these files have none.
    std::set<std::string> known = as_set(truth["btih"]);
    auto const bare = of(found, ReferenceKind::info_hash, "", hash);
    for (auto const& one : bare) labelled.wrong += 1 - known.count(one);
    for (auto const& reference : found)
      if (reference.hashes.v1) CHECK(known.contains(hex(*reference.hashes.v1)));
  }
  MESSAGE(files << " files. magnets: recall " << magnets.recall() << ", precision " << magnets.precision() << " ("
                << magnets.right << " right); torrent URLs: " << urls.recall() << ", " << urls.precision() << " ("
                << urls.right << "); relative torrent links: " << relative.recall() << ", " << relative.precision()
                << " (" << relative.right << "); archive items: " << items.recall() << ", " << items.precision() << " ("
                << items.right << ")");
  CHECK(files >= 44);
  CHECK(magnets.right >= 30);
  CHECK(magnets.recall() == 1.0);
  CHECK(magnets.precision() == 1.0);
  CHECK(urls.right >= 3);
  CHECK(urls.recall() == 1.0);
  CHECK(urls.precision() == 1.0);
  CHECK(relative.right >= 20);
  CHECK(relative.recall() == 1.0);
  CHECK(relative.precision() == 1.0);
  CHECK(items.right >= 5);
  CHECK(items.recall() == 1.0);
  CHECK(items.precision() == 1.0);
  CHECK(labelled.wrong == 0);
}

TEST_CASE("a magnet ends where the text around it goes on") {
  std::string const magnet = "magnet:?xt=urn:btih:" + v1;
  for (auto const& [before, after] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                      {"see ", " now"},
                                                                                      {"<a href=\"", "\">"},
                                                                                      {"<a href='", "'>"},
                                                                                      {"[x](", ")"},
                                                                                      {"(", ")."},
                                                                                      {"", ", and"},
                                                                                      {"| ", "|"},
                                                                                      {"<", ">"},
                                                                                      {"`", "`"},
                                                                                      {"&lt;", "&gt;"},
                                                                                      {"&quot;", "&quot;"},
                                                                                      {"\\\"", "\\\","},
                                                                                      {"", "\n"},
                                                                                      {"{\"m\":\"", "\"}"},
                                                                                      {"[", "]"},
                                                                                      {"", "!"},
                                                                                      {"", magnet}}) {
    INFO(before << "…" << after);
    auto const found = found_in(before + magnet + after);
    REQUIRE(found.size() == (after == magnet ? 2 : 1));
    CHECK(found[0].kind == ReferenceKind::magnet);
    CHECK(found[0].text == magnet);
    CHECK(found[0].offset == before.size());
    CHECK(found[0].canonical == magnet);
    CHECK(found[0].confidence == Confidence::high);
  }
}

TEST_CASE("offsets are bytes of the input, whatever stands before") {
  std::string const before = "\xef\xbb\xbfÜber \xff\xfe\x00 ";
  auto const found = found_in(before + "magnet:?xt=urn:btih:" + v1 + "&amp;dn=" + "Größe");
  REQUIRE(found.size() == 1);
  CHECK(found[0].offset == before.size());
  CHECK(found[0].text.ends_with("Größe"));
}

TEST_CASE("a magnet with escapes is one reference with its trackers, which are none of their own") {
  auto const found =
      found_in("<a href=\"magnet:?xt=urn:btih:" + v1 + "&amp;xt=urn:btmh:1220" + v2 +
               "&amp;tr=http://t.example/x.torrent&amp;ws=https://archive.org/download/abc/abc.torrent\">");
  REQUIRE(found.size() == 1);
  CHECK(found[0].canonical == "magnet:?xt=urn:btih:" + v1 + "&xt=urn:btmh:1220" + v2);
  auto const shared = found_in("https://share.example/?u=magnet%3A%3Fxt%3Durn%3Abtih%3A" + v1 + "%26dn%3Dx&t=1");
  REQUIRE(shared.size() == 1);
  CHECK(shared[0].rule == "magnet_escaped");
  CHECK(shared[0].canonical == "magnet:?xt=urn:btih:" + v1);
  auto const json = found_in("{\"m\":\"magnet:?xt=urn:btih:" + v1 + "\\u0026dn=x\"}");
  REQUIRE(json.size() == 1);
  CHECK(json[0].kind == ReferenceKind::magnet);
}

TEST_CASE("P6: a magnet that a table border or line end breaks never yields a short hash") {
  std::string const magnet = "magnet:?xt=urn:btih:" + v1 + "&dn=name";
  for (std::string const border : {" |\n| ", "\n", "\r\n  ", "|", "<br>", "</td><td>", "&lt;"})
    for (std::size_t at = 1; at < 20 + v1.size(); ++at) {
      INFO(border << " at " << at);
      for (auto const& reference : found_in(magnet.substr(0, at) + border + magnet.substr(at)))
        CHECK(reference.canonical == "magnet:?xt=urn:btih:" + v1);  // whole, by its label, or nothing
    }
}

TEST_CASE("a URL to a torrent is known by its path, in every surrounding") {
  for (auto const& [text, url] : std::vector<std::pair<std::string, std::string>>{
           {"http://h.example/a.torrent", "http://h.example/a.torrent"},
           {"(https://h.example/a_(b).torrent)", "https://h.example/a_(b).torrent"},
           {"HTTPS://H.example/A.TORRENT?passkey=1&amp;x=2#f", "https://h.example/A.TORRENT?passkey=1&x=2"},
           {"\"https:\\/\\/h.example\\/a.torrent\"", "https://h.example/a.torrent"},
           {"在 https://h.example/a.torrent。下", "https://h.example/a.torrent"},
           {"https://web.archive.org/web/2017id_/https://h.example/a.torrent",
            "https://web.archive.org/web/2017id_/https://h.example/a.torrent"},
           {"http://[::1]/a.torrent", "http://[::1]/a.torrent"},
           {"http://2130706433/a.torrent", "http://127.0.0.1/a.torrent"}}) {
    INFO(text);
    auto const found = found_in(text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == ReferenceKind::torrent_url);
    CHECK(found[0].rule == "torrent_url");
    CHECK(found[0].url == url);
    CHECK(found[0].canonical == url);
  }
  CHECK(found_in("http://a.example/x.torrent,http://b.example/y.torrent;https://c.example/z.torrent").size() == 3);
  for (char const* const text :
       {"http://h.example/a.torrents", "http://h.example/torrent", "x.torrent", "ftp://h.example/a.torrent",
        "https://wiki.example/File:A.torrent", "https://wiki.example/index.php?title=Datei:A.torrent",
        "http:///a.torrent", "http://", "https://h.example/a.torrent.html"})
    CHECK_MESSAGE(found_in(text).empty(), text);
}

TEST_CASE("doubtful torrent URLs are told as doubtful") {
  auto const query = found_in("https://h.example/get.php?f=a.torrent");
  REQUIRE(query.size() == 1);
  CHECK(query[0].rule == "torrent_query");
  CHECK(query[0].confidence == Confidence::low);
  auto const user = found_in("https://joe:pw@h.example/a.torrent");
  REQUIRE(user.size() == 1);
  CHECK(user[0].rule == "torrent_url_user");
  CHECK(user[0].url.empty());
}

TEST_CASE("relative links to torrents are told as written") {
  for (auto const& [text, link] : std::vector<std::pair<std::string, std::string>>{
           {"<a href=\"../x/a b.torrent\">", "../x/a b.torrent"},
           {"<a HREF='/a.torrent?x&amp;y'>", "/a.torrent?x&y"},
           {"<a href=a.torrent>", "a.torrent"},
           {"[t](files/a_(b).torrent \"title\")", "files/a_(b).torrent"},
           {"<a href=\"//h.example/a.torrent\">", "//h.example/a.torrent"}}) {
    INFO(text);
    auto const found = found_in(text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].canonical == link);
    CHECK(found[0].url.empty());
    CHECK(found[0].rule == "relative_torrent_link");
  }
  CHECK(found_in("<a href=\"./File:a.torrent\"> href= [](x) a.torrent <a href=\"x.torrent").empty());
}

TEST_CASE("archive.org's items and torrents are known") {
  auto const item =
      found_in("https://archive.org/details/EMLEAKS_1 and http://www.archive.org/download/x.y-z/f%20g.zip?cnt=0");
  REQUIRE(item.size() == 2);
  CHECK(item[0].kind == ReferenceKind::archive_item);
  CHECK(item[0].canonical == "https://archive.org/details/EMLEAKS_1");
  CHECK(item[1].canonical == "https://archive.org/details/x.y-z");
  CHECK(item[1].url == "http://www.archive.org/download/x.y-z/f%20g.zip?cnt=0");
  auto const file = found_in("https://archive.org/download/x/x_archive.torrent");
  REQUIRE(file.size() == 1);
  CHECK(file[0].kind == ReferenceKind::torrent_url);
  CHECK(file[0].rule == "archive_torrent");
  CHECK(archive_torrent_url("x") == file[0].url);
  for (char const* const text :
       {"https://archive.org/", "https://archive.org/details/", "https://archive.org/details/@user",
        "https://archive.org.evil.example/details/x", "https://archive.org/search?q=details/x"})
    CHECK_MESSAGE(found_in(text).empty(), text);
}

TEST_CASE("a bare hash is a reference only behind a label") {
  for (std::string const& text : {"btih: " + v1, "Info hash: " + v1, "{\"info_hash\":\"" + v1 + "\"}",
                                  "infoHash '" + v1 + "'", "xt=urn:btih:" + v1, "InfoHash v2 = " + v2,
                                  "urn:btmh:1220" + v2, std::string("btih:2I2UAEFDZJFN4W3UE65QSOTCUOEZ744B")}) {
    INFO(text);
    auto const found = found_in(text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == ReferenceKind::info_hash);
    CHECK(found[0].confidence == Confidence::low);
    CHECK(found[0].canonical.starts_with("magnet:?xt=urn:bt"));
  }
  for (std::string const& text :
       {v1, "sha1: " + v1, "hash: " + v1, "btih:\n" + v1, "btih: " + v1 + "0", "btih: x" + v1, "btih: " + v1.substr(1),
        "btih is a hash, and after a lot of other words comes this: " + v1,
        std::string("btih 2I2UAEFDZJFN4W3UE65QSOTCUOEZ744B")})
    CHECK_MESSAGE(found_in(text).empty(), text);
  CHECK(found_in("btih " + v1 + " " + std::string(40, 'a')).size() == 1);  // the label speaks for the first only
}

TEST_CASE("P6: long and repetitive input is scanned in linear time and bounded memory") {
  ScanLimits limits;
  limits.references_max = 100;
  for (std::string const unit : {"magnet:?xt=",
                                 "magnet:?",
                                 "http://",
                                 "https://a.torrent",
                                 "href=\"",
                                 "](",
                                 "((((",
                                 "&amp;",
                                 "btih:",
                                 "magnet%3a",
                                 "magnet%3a&",
                                 "src='",
                                 "href=\"a.torrent\"",
                                 "](a.torrent)",
                                 "http://u:p@a/a.torrent ",
                                 "http://archive.org/details/x ",
                                 "magnet:?xt=urn:btih:d2354010a3ca4ade5b7427bb093a62a3899ff381 ",
                                 "\\u0026",
                                 "a",
                                 "=",
                                 "href="}) {
    std::string text;
    while (text.size() < (4u << 20)) text += unit;
    auto const before = std::clock();
    auto const found = scan(text, limits);
    CHECK(found.size() <= 100);
    // A hundredfold of what it takes; one pass that reads bytes again for each link would take hours.
    CHECK_MESSAGE((std::clock() - before) / CLOCKS_PER_SEC < 30, unit);
  }
}

TEST_CASE("a reference is one line of JSON with the documented keys") {
  auto const found = found_in("x magnet:?xt=urn:btih:" + v1);
  REQUIRE(found.size() == 1);
  auto const line = to_json(found[0], "notes.txt");
  CHECK(line.dump() ==
        "{\"canonical\":\"magnet:?xt=urn:btih:" + v1 +
            "\",\"confidence\":\"high\",\"file\":\"notes.txt\",\"info_hash_v1\":\"" + v1 +
            "\",\"kind\":\"magnet\",\"length\":60,\"offset\":2,\"rule\":\"magnet\",\"text\":\"magnet:?xt=urn:btih:" +
            v1 + "\"}");
  auto const odd = found_in("magnet:?xt=urn:btih:" + v1 + "&dn=\xff");
  REQUIRE(odd.size() == 1);
  auto const odd_line = to_json(odd[0], "\xfe");
  CHECK_FALSE(odd_line.contains("text"));
  CHECK(odd_line["text_hex"].get<std::string>().ends_with("ff"));
  CHECK(odd_line["file_hex"] == "fe");
  auto const url = to_json(found_in("http://h.example/a.torrent")[0], "-");
  CHECK(url["kind"] == "torrent_url");
  CHECK(url["url"] == "http://h.example/a.torrent");
  CHECK_FALSE(url.contains("info_hash_v1"));
}
