#include "fetchers/reading/worker/json_list.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "evidence/values/utc_time.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

std::string whole(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

SiteProfile profile_with(std::string_view items) {
  std::string const text = "name = \"x\"\n[list]\npath = \"l\"\nformat = \"json\"\nitems = \"" + std::string(items) +
                           "\"\nkey = \"key\"\ntitle = \"title\"\nauthor = \"user\"\ntime = \"date\"\n"
                           "[item]\npath = \"{key}\"\nkey = \"[A-Za-z0-9]{1,32}\"\n";
  auto profile = read_site_profile(text, "x.toml");
  REQUIRE_MESSAGE(profile, line(profile.error()));
  return profile.value();
}

Result<ItemList> read(std::string_view body, std::string_view items = "") {
  return read_json_list(body, profile_with(items), ListLimits{});
}

}  // namespace

TEST_CASE("Pastebin's list gives key, title, author, time and the item as it was") {
  auto const profile = read_site_profile(whole(SOURCE_ROOT "/config/sites/pastebin.toml"), "pastebin.toml").value();
  auto const list = read_json_list(whole(TEST_DATA "/pastebin/list.json"), profile, ListLimits{});
  REQUIRE(list);
  REQUIRE(list.value().items.size() == 2);
  auto const& first = list.value().items[0];
  CHECK(first.key == "Em1eaks9");
  CHECK(first.title == "E-mails, 9 GB \u2014 before Sunday");
  CHECK(first.author == "EMLEAKS");
  REQUIRE(first.published_us);
  CHECK(utc_text(*first.published_us) == "2017-05-05T18:59:12.000000Z");
  auto const raw = nlohmann::json::parse(first.raw);
  CHECK(raw["scrape_url"] == "http://192.0.2.7/elsewhere.php?i=Em1eaks9");
  CHECK(raw["hits"] == "3");
  CHECK(list.value().items[1].title.empty());
  CHECK(list.value().unreadable == 0);
  // The URL to fetch comes from the key alone, whatever scrape_url says.
  auto const base = Url::parse("http://127.0.0.1:9").value();
  CHECK(profile.item_url(base, first.key).value().text() == "http://127.0.0.1:9/api_scrape_item.php?i=Em1eaks9");
}

TEST_CASE("P6: an entry without a usable key is counted, the others are read, a key counts once") {
  auto const list = read(
      R"([{"key":"a"},{"key":"../../x"},{"nokey":1},3,null,"s",[],{"key":["a"]},{"key":7},{"key":"a","title":"again"},{"key":""}])");
  REQUIRE(list);
  REQUIRE(list.value().items.size() == 2);
  CHECK(list.value().items[0].key == "a");
  CHECK(list.value().items[1].key == "7");
  CHECK(list.value().unreadable == 8);
  CHECK(list.value().unreadable_why.find("no key of this site") != std::string::npos);
}

TEST_CASE("times are Unix seconds as digits or number, anything else is no time") {
  auto const list = read(
      R"([{"key":"a","date":1494010752},{"key":"b","date":"0"},{"key":"c","date":"2017-05-05"},{"key":"d","date":-1},
      {"key":"e","date":1.5},{"key":"f","date":"99999999999999"},{"key":"g","date":253402300800},{"key":"h"}])");
  REQUIRE(list);
  REQUIRE(list.value().items.size() == 8);
  CHECK(list.value().items[0].published_us == 1'494'010'752'000'000);
  CHECK(list.value().items[1].published_us == 0);
  for (std::size_t i = 2; i < 8; ++i) CHECK_FALSE(list.value().items[i].published_us);
}

TEST_CASE("the array may stand at a pointer") {
  CHECK(read(R"({"a/b":{"items":[{"key":"x"}]}})", "/a~1b/items").value().items.size() == 1);
  CHECK_FALSE(read(R"({"items":{}})", "/items"));
  CHECK_FALSE(read(R"({"items":[]})", "/items/0"));
  CHECK_FALSE(read("[]", "/items"));
  CHECK(read("[]").value().items.empty());
}

TEST_CASE("P6: what is no list is a clear error, whatever it is") {
  for (std::string const& body :
       {std::string(), std::string("YOUR IP: 127.0.0.1 DOES NOT HAVE ACCESS."), std::string("<html>"),
        std::string("{}"), std::string("3"), std::string("[{\"key\":\"a\"}"), std::string("[{\"key\":\"a\"}]x"),
        std::string("[\"\xff\"]"), std::string("[1e999999]x"), std::string("\0", 1),
        std::string("[{\"key\":\"a\",}]")}) {
    INFO(body);
    auto const list = read(body);
    REQUIRE_FALSE(list);
    CHECK(list.error().code == Code::malformed);
  }
}

TEST_CASE("P6: depth, size, values and items are bounded before anything is built") {
  for (std::string const& body : {std::string(1'000'000, '['), std::string("[") + std::string(9u << 20, ' ') + "]",
                                  [] {
                                    std::string many = "[0";
                                    for (int i = 0; i < 600'000; ++i) many += ",0";
                                    return many + "]";
                                  }(),
                                  [] {
                                    std::string many = "[{}";
                                    for (int i = 0; i < 2000; ++i) many += ",{}";
                                    return many + "]";
                                  }(),
                                  [] {
                                    std::string deep;
                                    for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
                                    return deep;
                                  }()}) {
    auto const list = read(body);
    REQUIRE_FALSE(list);
    CHECK(list.error().code == Code::refused);
  }
  std::string const bracket_text =
      "[{\"key\":\"a\",\"title\":\"" + std::string(1000, '[') + "\\\"" + std::string(10'000, '{') + "\"}]";
  auto const list = read(bracket_text);
  REQUIRE(list);
  CHECK(list.value().items[0].title.size() == ListLimits{}.field_bytes_max);
}
