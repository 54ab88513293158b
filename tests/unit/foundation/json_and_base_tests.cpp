#include <doctest/doctest.h>

#include <string>

#include "evidence/formats/base32.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/formats/hex.h"
#include "evidence/values/info_hash.h"

namespace impound {
namespace {

std::string text(std::optional<std::vector<std::byte>> const& bytes) {
  return bytes ? std::string(text_of(*bytes)) : std::string("(nothing)");
}

TEST_CASE("base64: the vectors of RFC 4648, both ways") {
  for (auto const& [plain, coded] :
       {std::pair{"", ""}, std::pair{"f", "Zg=="}, std::pair{"fo", "Zm8="}, std::pair{"foo", "Zm9v"},
        std::pair{"foob", "Zm9vYg=="}, std::pair{"fooba", "Zm9vYmE="}, std::pair{"foobar", "Zm9vYmFy"}}) {
    CHECK(base64(bytes_of(plain)) == coded);
    CHECK(text(from_base64(coded)) == plain);
  }
}

TEST_CASE("base64: a second spelling of the same bytes is refused") {
  for (char const* bad :
       {"Zg", "Zg=", "Zh==", "Zm9=", "Zm9v=", "====", "Z===", "Zm9v\n", " Zm9v", "Zm-v", "Zg==Zg=="}) {
    CAPTURE(std::string(bad));
    CHECK_FALSE(from_base64(bad));
  }
}

TEST_CASE("base32: the vectors of RFC 4648, any case, padded or not") {
  for (auto const& [plain, coded] :
       {std::pair{"", ""}, std::pair{"f", "MY======"}, std::pair{"fo", "MZXQ===="}, std::pair{"foo", "MZXW6==="},
        std::pair{"foob", "mzxw6yq="}, std::pair{"fooba", "MZXW6YTB"}, std::pair{"foobar", "MZXW6YTBOI"}})
    CHECK(text(from_base32(coded)) == plain);
  for (char const* bad : {"M", "MZX", "MZXW6Y", "MY=", "MZ", "M1======", "MZXW6YT8", "MZ=XW", "========"}) {
    CAPTURE(std::string(bad));
    CHECK_FALSE(from_base32(bad));
  }
  CHECK(digest_from_base32<InfoHashV1>("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") == InfoHashV1{});
  CHECK(digest_from_base32<InfoHashV1>("77777777777777777777777777777777")->bytes[19] == std::byte{0xff});
  CHECK_FALSE(digest_from_base32<InfoHashV1>("7777777777777777777777777777777"));
  CHECK_FALSE(digest_from_base32<InfoHashV1>("777777777777777777777777777777777"));
  CHECK_FALSE(digest_from_base32<InfoHashV1>("7777777777777777777777777777777="));
}

TEST_CASE("canonical JSON: one spelling") {
  Json const value = {{"b", 1}, {"a", {true, false, "x"}}, {"aa", Json::object()}, {"A", -9007199254740991}};
  CHECK(canonical(value).value() == R"({"A":-9007199254740991,"a":[true,false,"x"],"aa":{},"b":1})");
  CHECK(canonical(Json("\b\f\n\r\t\"\\/\x1f\x7f\u20ac")).value() ==
        "\"\\b\\f\\n\\r\\t\\\"\\\\/\\u001f\x7f\xe2\x82\xac\"");
  CHECK(canonical(json_number(9007199254740991)).value() == "9007199254740991");
  CHECK(canonical(json_number(9007199254740992)).value() == "\"9007199254740992\"");
}

TEST_CASE("canonical JSON: keys go by UTF-16 code units, as RFC 8785 §3.2.3 shows") {
  // The example of the RFC: U+1F600 (as surrogates D83D DE00) sorts before U+FB33, although its UTF-8 is larger.
  Json const value = {{"\u20ac", "Euro Sign"},
                      {"\r", "Carriage Return"},
                      {"\ufb33", "Hebrew Letter Dalet With Dagesh"},
                      {"1", "One"},
                      {"\U0001f600", "Emoji: Grinning Face"},
                      {"\u0080", "Control"},
                      {"\u00f6", "Latin Small Letter O With Diaeresis"}};
  CHECK(canonical(value).value() ==
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"Latin Small Letter O With "
        "Diaeresis\","
        "\"\u20ac\":\"Euro Sign\",\"\U0001f600\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With "
        "Dagesh\"}");
}

TEST_CASE("canonical JSON: what entries do not have is refused when written") {
  Json deep = 1;
  for (int i = 0; i < 17; ++i) deep = Json::array({deep});
  for (Json const& bad :
       {Json(nullptr), Json(""), Json(1.5), Json(9007199254740992), Json(-9007199254740992), Json("\xff"),
        Json("\xed\xa0\x80"), Json("\xc0\x80"), Json({{"", 1}}), Json({{"\xff", 1}}), deep, Json::array({1, nullptr})})
    CHECK(canonical(bad).error().code == Code::malformed);
  CHECK(canonical(deep[0]));
}

TEST_CASE("canonical JSON: reading accepts what writing writes, and nothing else") {
  for (char const* good : {R"({"a":1,"b":["x",{}]})", "[]", "true", "-5", "\"\\u0001\xe2\x82\xac\""})
    CHECK(canonical(read_canonical(good).value()).value() == good);
  for (char const* bad : {"",
                          " {}",
                          "{} ",
                          "{}\n",
                          R"({"b":1,"a":2})",
                          R"({"a":1,"a":1})",
                          R"({"a":1,"a":2})",
                          R"({"a": 1})",
                          "1.0",
                          "1e2",
                          "-0",
                          "01",
                          "null",
                          R"({"a":null})",
                          R"({"a":""})",
                          R"("\u0041")",
                          R"("\/")",
                          R"("\u001F")",
                          R"("\u000a")",
                          "9007199254740992",
                          "18446744073709551616",
                          "\"\xff\"",
                          "{",
                          "[1,]",
                          "nan",
                          "\xef\xbb\xbf{}",
                          "{\"a\":1}{\"a\":1}"}) {
    CAPTURE(std::string(bad));
    CHECK(read_canonical(bad).error().code == Code::malformed);
  }
  CHECK_FALSE(read_canonical(std::string_view("{}\0", 3)));
  CHECK_FALSE(read_canonical(std::string(1'000'000, '[')));
}

TEST_CASE("canonical JSON: every single-bit change of an object is refused or is another object") {
  std::string const good = R"({"body":{"list":["a",1,true]},"salt":"00ff"})";
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    if (auto read = read_canonical(changed)) CHECK(canonical(read.value()).value() == changed);
  }
}

}  // namespace
}  // namespace impound
