#include "fetchers/reading/worker/page_reading.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/reading/worker/charset.h"
#include "fetchers/reading/worker/media_type.h"
#include "fetchers/references/scan_in_parts.h"
#include "tests/unit/reading/deflated.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

constexpr char const* magnet = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056";

PageFacts read(std::string_view body, PageOrder order = {}, ReaderLimits limits = {}) {
  REQUIRE(load_media_types());
  load_charsets();
  std::vector<FoundReference> found;
  PageReading reading{ReadPage{1, body.size(), std::move(order), limits},
                      [&](FoundReference one) { found.push_back(std::move(one)); }};
  for (std::size_t at = 0; at < body.size(); at += 65'536)
    if (!reading.write(body.substr(at, 65'536))) break;
  auto facts = reading.finish();
  facts.found = std::move(found);
  return facts;
}

std::string wide(std::string_view text) {
  std::string out;
  for (char const c : text) (out += c) += '\0';
  return out;
}

std::string whole(char const* path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string site() { return whole(SOURCE_ROOT "/config/sites/pastebin.toml"); }

std::string gzipped(std::string_view text) { return test::deflated(text, 31); }

}  // namespace

TEST_CASE("a magnet is found in plain text, UTF-16, behind a coding and behind markup, and told once a place") {
  std::string const text = std::string("see ") + magnet + " ok\n";
  auto const plain = read(text);
  REQUIRE(plain.found.size() == 1);
  CHECK(plain.found[0].layer == Layer::body);
  CHECK(plain.found[0].reference.offset == 4);
  CHECK(plain.charset == "UTF-8");
  CHECK(plain.media_type == "text/plain");
  CHECK(plain.whole());
  CHECK(plain.text_sha256 == sha256(bytes_of(text)));

  auto const utf16 = read(wide(text));
  REQUIRE(utf16.found.size() == 1);
  CHECK(utf16.found[0].layer == Layer::text);
  CHECK(utf16.found[0].reference.offset == 4);
  CHECK(utf16.text_sha256 == sha256(bytes_of(text)));

  auto const coded = read(gzipped(text), {.content_type = "text/plain", .content_coding = "gzip"});
  REQUIRE(coded.found.size() == 1);
  CHECK(coded.found[0].reference.offset == 4);
  CHECK(coded.decoded_bytes == text.size());

  auto const html =
      read("<html><p>&#109;agnet:?xt=urn:<b>btih</b>:c9e15763f722f23e98a29decdfae341b98d53056</p></html>");
  REQUIRE(html.found.size() == 2);
  CHECK(html.found[0].reference.kind == ReferenceKind::info_hash);  // "btih" stands on its line
  CHECK(html.found[1].layer == Layer::html);
  CHECK(html.found[1].reference.canonical == magnet);
  auto const both = read("<html><a href=\"" + std::string(magnet) + "\">" + magnet + "</a></html>");
  CHECK(both.found.size() == 2);
  CHECK(both.found[1].layer == Layer::body);
}

TEST_CASE("a coding that is not what it is called is said, and the page read as it stands") {
  auto const facts = read(std::string("see ") + magnet, {.content_coding = "gzip"});
  REQUIRE(facts.refusals.size() == 1);
  CHECK(facts.refusals[0].why == Refused::coding);
  CHECK(facts.found.size() == 1);
  CHECK(read("x", {.content_coding = "compress"}).refusals[0].why == Refused::coding);
}

TEST_CASE("a list and a site's sentence are read by the profile, in whatever encoding they come") {
  std::string const list =
      "[{\"key\":\"abc123\",\"title\":\"Na\u00efve\",\"user\":\"u\",\"date\":\"1493990000\"},{\"key\":\"../x\"}]";
  for (std::string const& body : {list, "\xff\xfe" + wide("[{\"key\":\"abc123\",\"title\":\"x\"},{}]")}) {
    auto const facts =
        read(body, {.content_type = "application/json", .profile = site(), .list = true, .references = false});
    REQUIRE(facts.list);
    REQUIRE(facts.list->size() == 1);
    CHECK(facts.list->front().key == "abc123");
    CHECK(facts.unreadable == 1);
    CHECK(facts.answer == Answer::content);
  }
  auto const gone = read(gzipped("Error, we cannot find this paste."), {.content_coding = "gzip", .profile = site()});
  CHECK(gone.answer == Answer::gone);
  auto const none = read("no list", {.profile = site(), .list = true});
  CHECK_FALSE(none.list);
  REQUIRE(none.refusals.size() == 1);
  CHECK(none.refusals[0].why == Refused::list);
}

TEST_CASE("P6: bombs, nesting and floods are refused by name, and what was found before is kept") {
  std::string const bomb = gzipped(std::string("see ") + magnet + "\n" + std::string(300u << 20, ' '));
  auto const blown = read(bomb, {.content_coding = "gzip"});
  REQUIRE(blown.refusals.size() == 1);
  CHECK((blown.refusals[0].why == Refused::bomb || blown.refusals[0].why == Refused::too_large));
  CHECK(blown.found.size() == 1);
  auto const nested = read(std::string(20u << 20, '['), {.profile = site(), .list = true});
  REQUIRE(nested.refusals.size() == 1);
  CHECK(nested.refusals[0].why == Refused::list);
  std::string many;
  for (int i = 0; i < 30; ++i) many += std::string(magnet) + "\n";
  auto const flood = read(many, {}, {.references_max = 10});
  CHECK(flood.found.size() == 10);
  REQUIRE(flood.refusals.size() == 1);
  CHECK(flood.refusals[0].why == Refused::references);
  auto const late = read(many, {}, {.time_max = std::chrono::milliseconds{-1'000}});
  REQUIRE(late.refusals.size() == 1);
  CHECK(late.refusals[0].why == Refused::time);
}

TEST_CASE("a zip is named and not unpacked") {
  std::string const zip = whole(TEST_DATA "/pages/nested.zip");
  auto const facts = read(zip, {.content_type = "text/plain"});
  CHECK(facts.media_type == "application/zip");
  CHECK(facts.charset.empty());
  CHECK(facts.found.empty());
}

TEST_CASE("a text in parts has the references of the whole, at their places") {
  std::string text(4'194'000, '.');
  for (std::size_t at : {std::size_t{10}, std::size_t{4'150'000}, std::size_t{4'193'900}})
    text.replace(at, 61, std::string(" ") + magnet);
  text += std::string(magnet) + " end " + std::string(5'000'000, '-') + "\n" + magnet;
  auto const whole = scan(text, ScanLimits{});
  for (std::size_t const step : {std::size_t{1'000}, std::size_t{65'537}, std::size_t{64} << 20}) {
    std::vector<Reference> parts;
    ScanInParts scanner{ScanLimits{}, [&](Reference one) { parts.push_back(std::move(one)); }};
    for (std::size_t at = 0; at < text.size(); at += step) scanner.write(std::string_view(text).substr(at, step));
    scanner.finish();
    REQUIRE(parts.size() == whole.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      CHECK(parts[i].offset == whole[i].offset);
      CHECK(parts[i].text == whole[i].text);
    }
  }
}
