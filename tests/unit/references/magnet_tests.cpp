#include "fetchers/references/magnet.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "evidence/formats/hex.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

std::string const v1 = "d2354010a3ca4ade5b7427bb093a62a3899ff381";
std::string const v1_base32 = "2I2UAEFDZJFN4W3UE65QSOTCUOEZ744B";
std::string const v2 = "80e00d84343afd2b6392e966c1267807461946ba9db1d5af4bb50779dcf1ab4e";

Result<Magnet> parse(std::string_view text) { return parse_magnet(text, MagnetLimits{}); }

std::vector<std::string> texts(nlohmann::json const& expected, char const* key) {
  return expected.contains(key) ? expected[key].get<std::vector<std::string>>() : std::vector<std::string>{};
}

// Vectors whose expectation is not held, each with its reason. None is left.
std::map<std::string, char const*> const exceptions = {};

}  // namespace

TEST_CASE("the magnet links of five clients' tests mean here what they should") {
  std::ifstream file(TEST_DATA "/magnets/magnet-vectors.json");
  auto const vectors = nlohmann::json::parse(file);
  std::size_t read = 0, refused = 0;
  for (auto const& vector : vectors) {
    std::string const uri = vector["uri"];
    if (exceptions.contains(uri)) continue;
    INFO(uri);
    auto const& expected = vector["expect"];
    auto const magnet = expected.value("bare", false) ? parse_info_hash(uri) : parse(uri);
    REQUIRE(static_cast<bool>(magnet) == expected["ok"].get<bool>());
    if (!magnet) {
      CHECK(magnet.error().code == Code::malformed);
      ++refused;
      continue;
    }
    ++read;
    auto const& found = magnet.value();
    auto const wanted = [&](char const* key) { return expected.contains(key) && expected[key].is_string(); };
    CHECK(found.hashes.v1.has_value() == wanted("v1"));
    if (found.hashes.v1) CHECK(hex(*found.hashes.v1) == expected["v1"]);
    CHECK(found.hashes.v2.has_value() == wanted("v2"));
    if (found.hashes.v2) CHECK(hex(*found.hashes.v2) == expected["v2"]);
    if (expected.contains("name")) CHECK(found.name == expected["name"]);
    if (expected.contains("trackers")) CHECK(found.trackers == texts(expected, "trackers"));
    if (expected.contains("web_seeds")) CHECK(found.web_seeds == texts(expected, "web_seeds"));
    if (expected.contains("web_seeds_or_as")) CHECK(found.acceptable_sources == texts(expected, "web_seeds_or_as"));
    if (expected.contains("peers")) CHECK(found.peers == texts(expected, "peers"));
    if (expected.contains("select_only")) CHECK(found.select_only == "0,2,4,6-8");
    auto const again = parse(found.canonical);
    REQUIRE(again);
    CHECK(again.value().hashes == found.hashes);
    CHECK(again.value().canonical == found.canonical);
  }
  CHECK(read == 16);
  CHECK(refused == 16);
}

TEST_CASE("hex and base32 of one hash are one torrent with one spelling") {
  auto const hexadecimal = parse("magnet:?xt=urn:btih:" + v1), base32 = parse("magnet:?xt=urn:btih:" + v1_base32);
  REQUIRE(hexadecimal);
  REQUIRE(base32);
  CHECK(hexadecimal.value().canonical == base32.value().canonical);
  CHECK(hexadecimal.value().canonical == "magnet:?xt=urn:btih:" + v1);
  CHECK(parse("magnet:?xt=urn:btih:" + v1 + "&xt=urn:btih:" + v1_base32));
  auto const hybrid = parse("MAGNET:?dn=x&xt.1=urn:btmh:1220" + v2 + "&xt.2=URN:BTIH:" + v1);
  REQUIRE(hybrid);
  CHECK(hybrid.value().canonical == "magnet:?xt=urn:btih:" + v1 + "&xt=urn:btmh:1220" + v2);
}

TEST_CASE("two different torrents in one link are refused by name") {
  auto const magnet = parse("magnet:?xt=urn:btih:" + v1 + "&xt=urn:btih:" + std::string(40, '1'));
  REQUIRE_FALSE(magnet);
  CHECK(magnet.error().code == Code::refused);
  CHECK(magnet.error().what.find("two different torrents") != std::string::npos);
}

TEST_CASE("separators and names survive HTML, JSON and percent escapes") {
  for (std::string const separator :
       {"&", "&amp;", "&AMP;", "&#38;", "&#x26;", "&amp;amp;", "\\u0026", "&&", "&amp;&amp;"}) {
    INFO(separator);
    auto const magnet = parse("magnet:?xt=urn%3Abtih%3A" + v1 + separator + "dn=a+b%20%26%C3%BC" + separator +
                              "tr=udp%3A%2F%2Ft.example%3A80");
    REQUIRE(magnet);
    CHECK(hex(*magnet.value().hashes.v1) == v1);
    CHECK(magnet.value().name == "a b &ü");
    CHECK(magnet.value().trackers == std::vector<std::string>{"udp://t.example:80"});
  }
}

TEST_CASE("P6: a hash of the wrong length or alphabet gives no magnet, never a shorter hash") {
  for (std::string const& hash :
       {v1.substr(1), v1 + "0", v1.substr(0, 6), std::string(), std::string(40, 'z'), v1.substr(0, 39) + "g",
        v1_base32.substr(1), v1_base32 + "A", std::string("2I2UAEFDZJFN4W3UE65QSOTCUOEZ7441"), v1 + "," + v1, v1 + "/",
        std::string("abcdefabcdefabcdefabcdefabcdefab"),  // the first 32 digits of a hex hash that a table border cut
        std::string("23456723456723456723456723456723")}) {
    INFO(hash);
    CHECK_FALSE(parse("magnet:?xt=urn:btih:" + hash));
  }
  for (std::string const& hash :
       {"1220" + v2.substr(1), v2, "1120" + v2, "1220" + v2 + "0", "1220" + v2.substr(0, 63) + "z"})
    CHECK_FALSE(parse("magnet:?xt=urn:btmh:" + hash));
  auto const kept = parse("magnet:?xt=urn:btih:" + v1 + "&xt=urn:btmh:1220" + v2.substr(2));
  REQUIRE(kept);
  CHECK_FALSE(kept.value().hashes.v2);
  CHECK(kept.value().passed_over == 1);
}

TEST_CASE("P6: a magnet is bounded in every part") {
  MagnetLimits const limits;
  std::string const start = "magnet:?xt=urn:btih:" + v1;
  auto const too_long = parse(start + "&dn=" + std::string(limits.bytes_max, 'x'));
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code == Code::refused);
  CHECK(too_long.error().where.size() < 200);
  std::string many = start;
  for (std::size_t i = 0; i <= limits.parameters_max; ++i) many += "&a=b";
  CHECK_FALSE(parse(many));
  std::string trackers = start;
  for (std::size_t i = 0; i < 300; ++i) trackers += "&tr=http://t" + std::to_string(i) + ".example/a";
  auto const capped = parse(trackers);
  REQUIRE(capped);
  CHECK(capped.value().trackers.size() == limits.list_max);
  CHECK(capped.value().passed_over == 44);
  std::string name;
  for (int i = 0; i < 600; ++i) name += "ü";
  auto const cut = parse(start + "&dn=x" + name);
  REQUIRE(cut);
  CHECK(cut.value().name.size() == 1023);
}

TEST_CASE("an info-hash alone is read in its four spellings") {
  CHECK(parse_info_hash(v1).value().canonical == "magnet:?xt=urn:btih:" + v1);
  CHECK(parse_info_hash(v1_base32).value().canonical == "magnet:?xt=urn:btih:" + v1);
  CHECK(parse_info_hash(v2).value().canonical == "magnet:?xt=urn:btmh:1220" + v2);
  CHECK(parse_info_hash("1220" + v2).value().canonical == "magnet:?xt=urn:btmh:1220" + v2);
  for (std::string const& text : {std::string(), v1.substr(1), v1 + "0", v2 + "0", std::string("hello")})
    CHECK(parse_info_hash(text).error().code == Code::malformed);
}
