#include "fetchers/sites/site_profile.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

using namespace impound;
using namespace impound::fetchers;

namespace {

std::string whole(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

SiteProfile pastebin() {
  auto profile = read_site_profile(whole(SOURCE_ROOT "/config/sites/pastebin.toml"), "pastebin.toml");
  REQUIRE_MESSAGE(profile, line(profile.error()));
  return profile.value();
}

std::string const least = R"(name = "x"
[list]
path = "list.json"
format = "json"
key = "id"
[item]
path = "raw/{key}"
key = ".*"
)";

}  // namespace

TEST_CASE("the profile of Pastebin makes the URLs of its scraping API") {
  auto const profile = pastebin();
  CHECK(profile.name == "pastebin");
  CHECK(profile.pace == std::chrono::seconds{1});
  CHECK(profile.list.interval == std::chrono::seconds{60});
  auto const own = Url::parse(*profile.base_url).value();
  CHECK(profile.list_url(own).value().text() == "https://scrape.pastebin.com/api_scraping.php?limit=100");
  CHECK(profile.item_url(own, "Em1eaks9").value().text() ==
        "https://scrape.pastebin.com/api_scrape_item.php?i=Em1eaks9");
  for (char const* const base :
       {"http://127.0.0.1:8765", "http://127.0.0.1:8765/", "http://127.0.0.1:8765/sub", "http://127.0.0.1:8765/sub/"}) {
    INFO(base);
    std::string folder = base;
    if (!folder.ends_with('/')) folder += '/';
    auto const url = Url::parse(base).value();
    CHECK(profile.list_url(url).value().text() == folder + "api_scraping.php?limit=100");
    CHECK(profile.item_url(url, "k1").value().text() == folder + "api_scrape_item.php?i=k1");
  }
}

TEST_CASE("the site's sentences are told from pastes") {
  auto const profile = pastebin();
  std::string const folder = TEST_DATA "/pastebin/";
  CHECK(profile.judge(whole(folder + "denied.txt")) == Answer::denied);
  CHECK(profile.judge(whole(folder + "denied-older.txt")) == Answer::denied);
  CHECK(profile.judge(whole(folder + "not-ready.txt")) == Answer::not_ready);
  CHECK(profile.judge(whole(folder + "gone.txt")) == Answer::gone);
  CHECK(profile.judge(whole(folder + "paste.txt")) == Answer::content);
  CHECK(profile.judge(whole(folder + "list.json")) == Answer::content);
  CHECK(profile.judge("") == Answer::content);
  CHECK(profile.judge("\n Error, we cannot find this paste.\r\n") == Answer::gone);
  CHECK(profile.judge("Error, we cannot find this paste. Or can we?") == Answer::content);
  CHECK(profile.judge("YOUR IP: " + std::string(2000, '1') + " DOES NOT HAVE ACCESS.") == Answer::content);
}

TEST_CASE("P5: a key never leads out of the site") {
  auto const profile = pastebin();
  auto const base = Url::parse("http://127.0.0.1:80/").value();
  for (std::string const& key :
       {std::string(), std::string("../x"), std::string("a&b"), std::string("a/b"), std::string("a b"),
        std::string("ü"), std::string("a\nb"), std::string(33, 'a'), std::string("a\0b", 3)})
    CHECK_FALSE(profile.item_url(base, key));
  auto const anything = read_site_profile(least, "x.toml").value();
  struct Row {
    char const* key;
    char const* url;
  };
  for (Row const& row :
       {Row{"../../admin", "http://127.0.0.1/raw/..%2F..%2Fadmin"}, Row{"a?b#c", "http://127.0.0.1/raw/a%3Fb%23c"},
        Row{"//evil.example/", "http://127.0.0.1/raw/%2F%2Fevil.example%2F"}, Row{"ü", "http://127.0.0.1/raw/%C3%BC"},
        Row{"{key}", "http://127.0.0.1/raw/%7Bkey%7D"}, Row{"%2e%2e", "http://127.0.0.1/raw/%252e%252e"}}) {
    INFO(row.key);
    auto const url = anything.item_url(base, row.key);
    REQUIRE(url);
    CHECK(url.value().text() == row.url);
  }
  CHECK_FALSE(anything.item_url(base, ".."));
  CHECK_FALSE(anything.item_url(base, std::string(257, 'a')));
}

TEST_CASE("what a profile gets wrong is told with file, line and key") {
  auto const wrong = [](std::string const& text, char const* what, char const* where) {
    INFO(text);
    auto const profile = read_site_profile(text, "x.toml");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().code == Code::usage);
    CHECK_MESSAGE(profile.error().what.find(what) != std::string::npos, profile.error().what);
    CHECK_MESSAGE(profile.error().where == where, profile.error().where);
  };
  auto const with = [](std::string text, std::string const& from, std::string const& to) {
    auto const at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  CHECK(read_site_profile(least, "x.toml"));
  wrong(with(least, "format", "formt"), "list.format is needed", "x.toml:2");
  wrong(with(least, "name", "extra = 1\nname"), "extra is no key", "x.toml:1");
  wrong(with(least, "key = \"id\"", "key = \"id\"\nlimit = 3"), "list.limit is no key", "x.toml:6");
  wrong(with(least, "\"id\"", "3"), "list.key must be a text", "x.toml:5");
  wrong(with(least, "\"json\"", "\"yaml\""), "list.format must be", "x.toml:4");
  wrong(with(least, "raw/{key}", "raw/"), "item.path must hold {key}", "x.toml:7");
  wrong(with(least, "raw/{key}", "http://evil.example/{key}"), "item.path must be relative", "x.toml:7");
  wrong(with(least, "list.json", "../list"), "list.path must be relative", "x.toml:3");
  wrong(with(least, "list.json", "//evil.example/"), "list.path must be relative", "x.toml:3");
  wrong(with(least, "\".*\"", "\"(\""), "item.key is no pattern", "x.toml:8");
  wrong(with(least, "\".*\"", "\"((a{100}){100}){100}\""), "item.key is no pattern", "x.toml:8");
  wrong(with(least, "[list]", "pace = \"fast\"\n[list]"), "pace must be a number", "x.toml:2");
  wrong(with(least, "[list]", "pace = -1\n[list]"), "pace is out of bounds", "x.toml:2");
  wrong(with(least, "[list]", "base_url = \"x\"\n[list]"), "base_url is no URL", "x.toml:2");
  wrong(least + "[[answer]]\noutcome = \"lost\"\nbody = \"x\"\n", "answer.outcome must be", "x.toml:10");
  wrong(least + "[answer]\noutcome = \"gone\"\n", "answer must be a list", "x.toml:9");
  wrong("name = ", "no TOML", "x.toml:1");
  wrong("", "name is needed", "x.toml:1");
  CHECK_FALSE(read_site_profile(std::string(300 * 1024, '#'), "x.toml"));
  CHECK_FALSE(read_site_profile("a = " + std::string(100'000, '['), "x.toml"));
}

TEST_CASE("lists in XML and HTML need expressions, and a key's part needs one group") {
  auto const with = [](std::string const& list) {
    return read_site_profile("name = 'x'\n[list]\npath = 'l'\n" + list + "\n[item]\npath = '{key}'\nkey = '.*'\n",
                             "x.toml");
  };
  auto const html = with("format = 'html'\nitems = '//a'\nkey = '@href'\nkey_part = 'view/(.+)'");
  REQUIRE_MESSAGE(html, line(html.error()));
  CHECK(html.value().list.format == ListFormat::html);
  CHECK(html.value().key_in("/view/x1") == "x1");
  CHECK_FALSE(html.value().key_in("/about"));
  auto const xml = with("format = 'xml'\nitems = '//item'\nkey = 'guid'");
  REQUIRE(xml);
  CHECK(xml.value().key_in("as it is") == "as it is");
  struct Row {
    char const* list;
    char const* why;
  };
  for (Row const& row : {Row{"format = 'yaml'\nkey = 'x'", "\"html\""},
                         {"format = 'html'\nkey = '@href'", "XPath"},
                         {"format = 'xml'\nitems = '//a'\nkey = 'x'\nkey_part = 'view'", "one group"},
                         {"format = 'xml'\nitems = '//a'\nkey = 'x'\nkey_part = '(a)(b)'", "one group"},
                         {"format = 'xml'\nitems = '//a'\nkey = 'x'\nkey_part = '('", "no pattern"}}) {
    auto const wrong = with(row.list);
    REQUIRE_FALSE(wrong);
    CHECK_MESSAGE(line(wrong.error()).find(row.why) != std::string::npos, line(wrong.error()));
  }
}
