#include <doctest/doctest.h>

#include "evidence/formats/text_lines.h"
#include "evidence/formats/utf8.h"

namespace impound {
namespace {

TEST_CASE("text lines: a line is what stands before its newline") {
  std::string_view rest = "one\n\ntwo";
  CHECK(take_line(rest) == "one");
  CHECK(take_line(rest) == "");
  CHECK_FALSE(take_line(rest));
  CHECK(rest == "two");
}

TEST_CASE("decimal: one number has one spelling, and a bound") {
  CHECK(decimal("0", 9) == 0);
  CHECK(decimal("18446744073709551615", UINT64_MAX) == UINT64_MAX);
  CHECK(decimal("255", 255) == 255);
  for (char const* text : {"", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "256", "18446744073709551616"})
    CHECK_FALSE(decimal(text, 255));
  CHECK_FALSE(decimal("18446744073709551616", UINT64_MAX));
}

TEST_CASE("UTF-8: characters of each length, and what is none") {
  auto const is = [](std::string_view text, std::size_t bytes, char32_t point) {
    auto const one = first_character(text);
    return one.bytes == bytes && one.point == point;
  };
  CHECK(is("ab", 1, U'a'));
  CHECK(is("\xc3\xa9", 2, U'\u00e9'));
  CHECK(is("\xe2\x82\xac", 3, U'\u20ac'));
  CHECK(is("\xf0\x9f\x93\xa7", 4, U'\U0001f4e7'));
  for (char const* text : {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
    CHECK(first_character(text).bytes == 0);
}

}  // namespace
}  // namespace impound
