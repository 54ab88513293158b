#include "agent/work/listed_sources.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace impound::agent;

namespace {

std::vector<std::string> many(std::size_t count, std::string const& text) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back(text + std::to_string(i));
  return texts;
}

std::vector<std::string> kept(std::vector<std::string> texts, std::vector<std::string> const& known,
                              std::vector<std::string> const& first = {}) {
  keep_listed(texts, known, first);
  return texts;
}

}  // namespace

TEST_CASE("a list of sources is bounded in number and in what JSON makes of its bytes") {
  CHECK(listed({}).empty());
  CHECK(listed({"a", "b"}) == impound::Json{"a", "b"});
  CHECK(listed(many(60, "x")).size() == 50);
  CHECK(listed(many(20, std::string(1000, 'x'))).size() == 8);
  CHECK(listed(many(20, std::string(900, '"'))).dump().size() <= 8 * 1024 + 100);
}

TEST_CASE("whoever is not listed is not kept, and whoever was listed before is") {
  CHECK(kept({"a", "b"}, {}) == std::vector<std::string>{"a", "b"});
  CHECK(kept({"b"}, {"a", "b"}) == std::vector<std::string>{"b", "a"});
  auto const sixty = many(60, "x");
  CHECK(kept(sixty, {}) == std::vector<std::string>(sixty.begin(), sixty.begin() + 50));
  // What comes first in the list takes its room, and is not made one of the others.
  CHECK(kept(sixty, {}, many(10, "y")).size() == 40);
  CHECK(kept({"y0", "z"}, {"y0"}, {"y0"}) == std::vector<std::string>{"y0", "z"});
  CHECK(kept({}, {"y0"}, {"y0"}).empty());
  // One that is named twice is not lost with its second place.
  auto twice = sixty;
  twice[55] = twice[0];
  CHECK(kept(twice, {}) == std::vector<std::string>(sixty.begin(), sixty.begin() + 50));
  // Those that are known take no room: they are in an entry already.
  CHECK(kept(sixty, {sixty.begin(), sixty.begin() + 20}).size() == 60);
}
