#include "fetchers/reading/worker/charset.h"

#include <doctest/doctest.h>
#include <iconv.h>

#include <string>

using namespace impound;
using namespace impound::fetchers;

namespace {

std::string encoded(std::string const& text, char const* charset) {
  iconv_t const to = ::iconv_open(charset, "UTF-8");
  REQUIRE(to != reinterpret_cast<iconv_t>(-1));
  std::string out(4 * text.size() + 16, '\0');
  char* from = const_cast<char*>(text.data());
  char* into = out.data();
  std::size_t left = text.size(), room = out.size();
  REQUIRE(::iconv(to, &from, &left, &into, &room) != static_cast<std::size_t>(-1));
  ::iconv_close(to);
  out.resize(out.size() - room);
  return out;
}

struct Read {
  std::string text;
  std::uint64_t replaced = 0;
};

Read utf8(std::string const& charset, std::string_view bytes, std::size_t step) {
  Read out;
  ToUtf8 converter{charset, [&](std::string_view part) -> Result<void> {
                     out.text += part;
                     return ok();
                   }};
  for (std::size_t at = 0; at < bytes.size(); at += step) REQUIRE(converter.write(bytes.substr(at, step)));
  REQUIRE(converter.finish());
  out.replaced = converter.replaced();
  return out;
}

std::string cyrillic() {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "Переписка сотрудников министерства опубликована сегодня вечером, части первая и вторая. ";
  return text;
}

}  // namespace

TEST_CASE("every converter is there, and text comes back whole however it is cut") {
  CHECK(load_charsets() == 41);
  struct Row {
    char const* charset;
    char const* text;
  };
  for (Row const& row :
       {Row{"UTF-8", "naïve — 𝄞 ok"}, Row{"UTF-16LE", "naïve — 𝄞 ok"}, Row{"UTF-16BE", "naïve — 𝄞 ok"},
        Row{"UTF-32LE", "naïve — 𝄞 ok"}, Row{"windows-1251", "Привет, мир"}, Row{"KOI8-R", "Привет, мир"},
        Row{"GB18030", "你好，世界"}, Row{"Big5", "你好，世界"}, Row{"EUC-JP", "こんにちは世界"},
        Row{"ISO-2022-JP", "abc こんにちは xyz"}, Row{"Shift_JIS", "こんにちは世界"}, Row{"EUC-KR", "안녕하세요"},
        Row{"windows-1252", "naïve — ok"}}) {
    CAPTURE(row.charset);
    char const* const glibc = std::string_view(row.charset) == "EUC-KR"         ? "CP949"
                              : std::string_view(row.charset) == "windows-1251" ? "CP1251"
                              : std::string_view(row.charset) == "windows-1252" ? "CP1252"
                                                                                : row.charset;
    for (std::size_t const step : {std::size_t{1}, std::size_t{3}, std::size_t{1'000}}) {
      auto const read = utf8(row.charset, encoded(row.text, glibc), step);
      CHECK(read.text == row.text);
      CHECK(read.replaced == 0);
    }
  }
}

TEST_CASE("P6: malformed bytes are replaced and counted, wherever they stand and however they are cut") {
  for (std::size_t const step : {std::size_t{1}, std::size_t{7}, std::size_t{1'000}}) {
    CAPTURE(step);
    auto const read = utf8("UTF-8", std::string("a\xff") + "b\xc3(c \xed\xa0\x80 end\xe2\x82", step);
    CHECK(
        read.text.starts_with("a\xef\xbf\xbd"
                              "b\xef\xbf\xbd(c "));
    CHECK(read.text.find(" end") != std::string::npos);
    CHECK(read.replaced >= 5);
    // A lone surrogate, and half a character at the end.
    auto const wide = utf8("UTF-16LE",
                           std::string("a\0\0\xd8"
                                       "b\0c",
                                       7),
                           step);
    CHECK(wide.text ==
          "a\xef\xbf\xbd"
          "b\xef\xbf\xbd");
    CHECK(wide.replaced == 2);
  }
}

TEST_CASE("the encoding: mark, field, meta, bytes, guess, in this order, and bytes over a word that cannot be") {
  std::string const text = "<html>just some text, long enough to be looked at</html>";
  std::string const wide = encoded(text, "UTF-16LE");
  struct Row {
    std::string first;
    char const* field;
    bool html;
    char const* name;
    char const* from;
  };
  for (Row const& row :
       {Row{"\xef\xbb\xbf" + text, "text/plain; charset=koi8-r", false, "UTF-8", "bom"},
        Row{"\xff\xfe" + wide, "", false, "UTF-16LE", "bom"},
        Row{"\xfe\xff" + encoded(text, "UTF-16BE"), "", false, "UTF-16BE", "bom"},
        Row{text, "text/plain; charset=\"KOI8-R\"", false, "KOI8-R", "field"},
        Row{text, "text/html;charset=latin1;x=y", true, "windows-1252", "field"},
        Row{wide, "text/plain; charset=utf-16", false, "UTF-16LE", "field"},
        Row{wide, "text/plain; charset=utf-8", false, "UTF-16LE", "bytes"},
        Row{encoded(text, "UTF-16BE"), "", false, "UTF-16BE", "bytes"},
        Row{text, "text/plain; charset=utf-16", false, "UTF-8", "bytes"},
        Row{text, "text/plain; charset=no-such-thing", false, "UTF-8", "bytes"},
        Row{"<meta charset='windows-1251'>" + text, "text/html", true, "windows-1251", "meta"},
        Row{"<meta http-equiv=Content-Type content=\"text/html; charset=EUC-JP\">" + text, "", true, "EUC-JP", "meta"},
        Row{"<meta charset='windows-1251'>" + text, "text/plain", false, "UTF-8", "bytes"},
        Row{"naïve \xe2\x82", "", false, "UTF-8", "bytes"},
        Row{encoded(cyrillic(), "KOI8-R"), "", false, "KOI8-R", "guess"},
        Row{encoded(cyrillic(), "CP1251"), "", false, "windows-1251", "guess"}, Row{"", "", false, "UTF-8", "bytes"}}) {
    CAPTURE(row.first.substr(0, 40));
    CAPTURE(row.field);
    auto const chosen = choose_charset(row.first, row.field, row.html);
    CHECK(chosen.name == row.name);
    CHECK(chosen.from == std::string_view(row.from));
  }
}
