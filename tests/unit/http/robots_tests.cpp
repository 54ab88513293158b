#include "fetchers/http/robots.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace impound::fetchers;

TEST_CASE("robots: the rule that matches longest decides") {
  struct Row {
    std::string text;
    char const* path;
    bool allowed;
  };
  std::string const all = "User-agent: *\n";
  std::string const examples = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n";
  std::string const page = "User-Agent: impound\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
  std::vector<Row> const rows{
      // RFC 9309 §5.1 and §5.2
      {examples, "/a.gif", false},
      {examples, "/a.gif?x", true},
      {examples, "/example/page", false},
      {examples, "/publications/x", true},
      {page, "/example/page/disallowed.gif", false},
      {page, "/example/page/", true},
      {all + "Disallow: /foo/bar\nAllow: /foo/bar\n", "/foo/bar", true},
      {all + "Allow: /foo/bar\nDisallow: /foo/bar\n", "/foo/bar", true},
      // whom a group is for
      {"user-AGENT: IMPOUND/1.0 (x)\r\ndisALLOW: /\r\n", "/a", false},
      {"User-agent: impounder\nDisallow: /\n", "/a", true},
      {all + "Disallow: /\n\nUser-agent: impound\nDisallow: /private\n", "/a", true},
      {all + "Disallow: /\n\nUser-agent: impound\nDisallow: /private\n", "/private/x", false},
      {"User-agent: other\nUser-agent: impound\nDisallow: /x\n", "/x", false},
      {"User-agent: impound\nDisallow: /x\nUser-agent: impound\nDisallow: /y\n", "/y", false},
      {"User-agent: impound\nSitemap: http://a/\nDisallow: /x\n", "/x", false},
      {"User-agent: impound\nDisallow:\n", "/x", true},
      {"Disallow: /\n", "/x", true},
      {"", "/x", true},
      {all + "Disallow: / # all of it\n", "/x", false},
      {all + "Disallow: /\n", "/robots.txt", true},
      {"\xef\xbb\xbf" + all + "Disallow: /\n", "/x", false},
      // how paths are compared
      {all + "Disallow: /~joe/\n", "/%7Ejoe/a", false},
      {all + "Disallow: /%7ejoe/\n", "/~joe/a", false},
      {all + "Disallow: /\xc3\xa4\n", "/%C3%A4", false},
      {all + "Disallow: /a*b*c$\n", "/aXXbXXbc", false},
      {all + "Disallow: /a*b*c$\n", "/aXXbXXbcd", true},
      {all + "Disallow: /*?\n", "/search?q=1", false},
      {all + "Disallow: /a%2Ab\n", "/aXb", true},
  };
  for (Row const& row : rows) {
    INFO(row.text << " " << row.path);
    CHECK(Robots::read(row.text, "impound").allows(row.path) == row.allowed);
  }
  CHECK_FALSE(Robots::closed().allows("/a"));
  CHECK(Robots::closed().allows("/robots.txt"));
  CHECK(Robots{}.allows("/a"));
}

TEST_CASE("P6: a robots.txt of stars ends, and beyond its bound nothing is read") {
  std::string text = "User-agent: *\n";
  for (int i = 0; i < 200; ++i) text += "Disallow: /" + std::string(500, '*') + "a*a*a*a*b\n";
  // With steps back to each star it would not end.
  CHECK(Robots::read(text, "impound").allows("/" + std::string(4'000, 'a')));
  CHECK(Robots::read(std::string(600u << 10, '\n') + "User-agent: *\nDisallow: /\n", "impound").allows("/a"));
}
