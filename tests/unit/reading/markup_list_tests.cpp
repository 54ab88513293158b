#include "fetchers/reading/worker/markup_list.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "evidence/values/utc_time.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

std::string whole(std::string const& name) {
  std::ifstream file(std::string(TEST_DATA "/lists/") + name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

SiteProfile profile_of(std::string const& list, std::string const& key = ".{1,200}") {
  auto profile = read_site_profile(
      "name = 'x'\n[list]\npath = 'l'\n" + list + "\n[item]\npath = '{key}'\nkey = '" + key + "'\n", "x.toml");
  REQUIRE_MESSAGE(profile, line(profile.error()));
  return profile.value();
}

Result<ItemList> read(std::string_view body, std::string const& list, ListLimits const& limits = {}) {
  return read_markup_list(body, profile_of(list), limits);
}

std::string const recent = R"(<!DOCTYPE html><title>recent</title><table>
<tr><td><a href="/about">About us</a><td>-<td>-
<tr><td><a href="/view/aB3dE">View paste</a><td> EMLEAKS, <b>part one</b>
  &amp; more<td class=who>anna<td>Fri, 05 May 2017 18:59:12 GMT
<tr><td><a href="/view/zz9">View paste</a><td><td class=who><td>yesterday
<tr><td><a href="/view/aB3dE">View paste</a><td>again<td class=who>eve<td>
</table>)";

std::string const of_recent = R"(format = "html"
items = "//tr[.//a[starts-with(@href, '/view/')]]"
key = ".//a/@href"
key_part = '^/view/([A-Za-z0-9]+)$'
title = "td[2]"
author = "td[@class='who']"
time = "td[4]")";

}  // namespace

TEST_CASE("an HTML page of recent pastes is a list by its profile's expressions") {
  auto const list = read(recent, of_recent);
  REQUIRE_MESSAGE(list, line(list.error()));
  auto const& items = list.value().items;
  REQUIRE(items.size() == 2);
  CHECK(items[0].key == "aB3dE");
  CHECK(items[0].title == "EMLEAKS, part one\n  & more");
  CHECK(items[0].author == "anna");
  REQUIRE(items[0].published_us);
  CHECK(utc_text(*items[0].published_us) == "2017-05-05T18:59:12.000000Z");
  CHECK(items[1].key == "zz9");
  CHECK(items[1].title.empty());
  CHECK_FALSE(items[1].published_us);
  CHECK(list.value().unreadable == 0);
}

TEST_CASE("a folder's index as Apache writes it is a list") {
  auto const list = read(whole("apache-index.html"), R"(format = "html"
items = "//tr[td/a[not(starts-with(@href, '/'))]]"
key = "td/a/@href"
title = "td/a"
time = "td[3]")");
  REQUIRE_MESSAGE(list, line(list.error()));
  std::vector<std::string> keys, titles;
  for (ListedItem const& item : list.value().items) {
    keys.push_back(item.key);
    titles.push_back(item.title);
  }
  CHECK(keys == std::vector<std::string>{"a%20file%20&%20more.txt", "b.tar.gz", "sub/",
                                         "%c3%bcn%c3%af-%d1%84%d0%b0%d0%b9%d0%bb.torrent"});
  CHECK(titles == std::vector<std::string>{"a file & more.txt", "b.tar.gz", "sub/", "ünï-файл.torrent"});
}

TEST_CASE("RSS 2.0, RSS 0.90 and Atom are lists; prefixes stand for their namespaces") {
  std::string const rss = R"(<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>new items</title><item><title><![CDATA[Mails & <photos>]]></title><guid>eml-1</guid>
<dc:creator>EMLEAKS</dc:creator><pubDate>Fri, 5 May 2017 20:59:12 +0200</pubDate></item>
<item><title>no key</title></item></channel></rss>)";
  std::string const of_rss = R"(format = "xml"
items = "/rss/channel/item"
key = "guid"
title = "title"
author = "dc:creator"
time = "pubDate")";
  auto const list = read(rss, of_rss);
  REQUIRE_MESSAGE(list, line(list.error()));
  REQUIRE(list.value().items.size() == 1);
  CHECK(list.value().items[0].key == "eml-1");
  CHECK(list.value().items[0].title == "Mails & <photos>");
  CHECK(list.value().items[0].author == "EMLEAKS");
  CHECK(utc_text(list.value().items[0].published_us.value()) == "2017-05-05T18:59:12.000000Z");
  CHECK(list.value().unreadable == 1);
  CHECK(list.value().unreadable_why.find("has no guid") != std::string::npos);

  auto const atom = read(whole("atom-enclosure.xml"), R"(format = "xml"
items = "/atom:feed/atom:entry"
key = "atom:link[@rel='enclosure']/@href")");
  REQUIRE_MESSAGE(atom, line(atom.error()));
  REQUIRE(atom.value().items.size() == 1);
  CHECK(atom.value().items[0].key == "http://www.example.com/movie.mp4");

  auto const old = read(whole("rss090-item-title.xml"), R"(format = "xml"
items = "//*[local-name() = 'item']"
key = "*[local-name() = 'title']")");
  REQUIRE_MESSAGE(old, line(old.error()));
  REQUIRE(old.value().items.size() == 1);
  CHECK(old.value().items[0].key == "Item title");
}

TEST_CASE("P6: what is no list, too much, or makes much of little is refused by name") {
  std::string const any = "format = \"xml\"\nitems = \"//item\"\nkey = \"@id\"";
  struct Row {
    std::string body, list, why;
  };
  std::string deep, wide = "<a>";
  for (int i = 0; i < 3'000; ++i) deep += "<x>";
  for (int i = 0; i < 300; ++i) wide += "<item id='" + std::to_string(i) + "'/>";
  for (Row const& row :
       {Row{"", any, "is no XML"}, Row{"{\"items\": []}", any, "is no XML"}, Row{"<a><b></a>", any, "is no XML"},
        Row{deep, any, "is no XML"}, Row{"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", any, "declares entities"},
        Row{"<a/>", "format = \"xml\"\nitems = \"//item[\"\nkey = \"@id\"", "list.items is no XPath"},
        Row{"<a/>", "format = \"xml\"\nitems = \"//item\"\nkey = \"no:such/\"", "list.key is no XPath"},
        Row{"<a/>", "format = \"xml\"\nitems = \"count(//item)\"\nkey = \"@id\"", "names no elements"},
        Row{"<a/>", "format = \"xml\"\nitems = \"//unknown:item\"\nkey = \"@id\"", "cannot be answered"},
        Row{wide + "</a>", any + "\nitems_max = 299", "300 items"}}) {
    auto const list = read(row.body, row.list);
    INFO(row.body.substr(0, 100));
    REQUIRE_FALSE(list);
    CHECK_MESSAGE(line(list.error()).find(row.why) != std::string::npos, line(list.error()));
  }
  ListLimits limits;
  limits.values_max = 100;
  CHECK(read(wide + "</a>", any, limits).error().what.find("too many tags") != std::string::npos);
  limits = {};
  limits.bytes_max = 100;
  CHECK(read(wide + "</a>", any, limits).error().what.find("too long") != std::string::npos);
  limits = {};
  limits.steps_max = 1'000;  // each item looks at all of them
  auto const long_way =
      read(wide + "</a>", "format = \"xml\"\nitems = \"//item[//item[@id != '']]\"\nkey = \"@id\"", limits);
  REQUIRE_FALSE(long_way);
  CHECK(long_way.error().what.find("too much of it") != std::string::npos);
  // Nothing outside is read.
  auto const outside = read("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a><item id='1'/></a>", any);
  REQUIRE(outside);
  CHECK(outside.value().items.size() == 1);
}

TEST_CASE("HTML that is broken in every way is a list of what is there") {
  auto const list =
      read("<tr><td><p><a href=/view/x1 href='/view/x2'>1</b></i><div></p></table><a href=\"/view/x3\"><!--",
           "format = \"html\"\nitems = \"//a\"\nkey = \"@href\"\nkey_part = 'view/(.*)'");
  REQUIRE_MESSAGE(list, line(list.error()));
  REQUIRE(list.value().items.size() == 2);
  CHECK(list.value().items[0].key == "x1");
  CHECK(list.value().items[1].key == "x3");
}

TEST_CASE("times of lists: Unix seconds, RFC 3339, RFC 5322") {
  struct Row {
    char const* text;
    char const* utc;  // "" for none
  };
  for (Row const& row : {Row{"1494010752", "2017-05-05T18:59:12.000000Z"},
                         {"0", "1970-01-01T00:00:00.000000Z"},
                         {"2017-05-05T18:59:12Z", "2017-05-05T18:59:12.000000Z"},
                         {"2017-05-05T20:59:12.25+02:00", "2017-05-05T18:59:12.000000Z"},
                         {"2017-05-05 18:59:12 +0000", "2017-05-05T18:59:12.000000Z"},
                         {"Fri, 05 May 2017 18:59:12 GMT", "2017-05-05T18:59:12.000000Z"},
                         {"5 May 2017 14:29:12 -0430", "2017-05-05T18:59:12.000000Z"},
                         {"", ""},
                         {"yesterday", ""},
                         {"2017-05-05T18:59:12", ""},
                         {"2017-05-05T18:59:12+2:0", ""},
                         {"Fri, 05 May 2017 18:59:12 Nowhere", ""},
                         {"99999999999999", ""},
                         {"999999999999", ""},
                         {"-5", ""},
                         {"1969-12-31T23:59:59Z", ""},
                         {"99999-01-01T00:00:00Z", ""}}) {
    auto const us = listed_time(row.text);
    INFO(row.text);
    CHECK((us ? utc_text(*us) : std::string()) == row.utc);
  }
}
