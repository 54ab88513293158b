#include "fetchers/reading/worker/html_text.h"

#include <doctest/doctest.h>

#include <string>

using namespace impound;
using namespace impound::fetchers;

namespace {

struct Seen {
  std::string text;
  std::string base{};
  bool whole = false;
};

Seen seen(std::string_view html, std::size_t step = 1 << 20, HtmlLimits limits = {}) {
  Seen out;
  HtmlText parser{limits, [&](std::string_view part) -> Result<void> {
                    out.text += part;
                    return ok();
                  }};
  bool good = true;
  for (std::size_t at = 0; at < html.size() && good; at += step)
    good = static_cast<bool>(parser.write(html.substr(at, step)));
  out.whole = static_cast<bool>(parser.finish()) && good;
  out.base = parser.base();
  return out;
}

bool holds(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

}  // namespace

TEST_CASE("the text that a reader sees, in one piece, and the links as lines of their own") {
  std::string const page =
      "<!doctype html><html><head><title>Leak</title></head><body><p>Part &eacute;ins: "
      "&#109;agnet:?xt=<b>urn</b>:btih<!-- -->:abc</p>"
      "<a href='http://x.invalid/a b.torrent?x=1&amp;y=2' class=button>here</a><img src=\"/pic.png\">"
      "<div data-link=magnet:?xt=1>two</div><p>three";
  for (std::size_t const step : {std::size_t{1}, std::size_t{10}, std::size_t{1} << 20}) {
    CAPTURE(step);
    auto const out = seen(page, step);
    CHECK(out.whole);
    CHECK(holds(out.text, "Part \u00e9ins: magnet:?xt=urn:btih:abc\n"));
    CHECK(holds(out.text, "\nhref=\"http://x.invalid/a b.torrent?x=1&y=2\"\n"));
    CHECK(holds(out.text, "\nsrc=\"/pic.png\"\n"));
    CHECK(holds(out.text, "\ndata-link=\"magnet:?xt=1\"\n"));
    CHECK(holds(out.text, "two\n"));
    CHECK(holds(out.text, "three"));
    CHECK_FALSE(holds(out.text, "button"));
  }
}

TEST_CASE("the first base counts, one that is too long does not") {
  CHECK(seen("<html><head><base target=x HREF='/files/?a=1&amp;b=2'><base href=/other></head>", 3).base ==
        "/files/?a=1&b=2");
  CHECK(seen("<html><base href='" + repeated("x", 3'000) + "'>").base.empty());
  CHECK(seen("<html><a href=/x>base</a>").base.empty());
}

TEST_CASE("P6: nesting and length are bounded; what came before is given") {
  auto const deep = seen("<p>first</p>" + repeated("<div>", 200'000));
  CHECK_FALSE(deep.whole);
  CHECK(holds(deep.text, "first"));
  CHECK(seen(repeated("<div>", 500)).whole);
  HtmlLimits small;
  small.bytes_max = 100'000;
  auto const cut = seen("<p>first</p>" + repeated("<p>word</p>", 100'000), 1 << 20, small);
  CHECK_FALSE(cut.whole);
  CHECK(holds(cut.text, "first"));
  CHECK(cut.text.size() < 200'000);
  for (std::string const& odd : {std::string(300'000, '<'), repeated("<a href='", 30'000), repeated("<!--", 50'000),
                                 repeated("</p>", 100'000), repeated("&#x", 100'000), std::string("<a\0b href=x>", 12),
                                 repeated("<table><tr><td>", 100), "<p " + repeated("x=y ", 50'000) + ">"})
    static_cast<void>(seen(odd, 1'000));
}
