// In which order pieces are asked for.
#include "fetchers/torrents/worker/piece_order.h"

#include <doctest/doctest.h>

#include <vector>

using namespace impound::fetchers;
using std::chrono::seconds;

namespace {

using Time = std::chrono::steady_clock::time_point;

/// The order after a sight that lasts for a minute.
bool rarest_after_a_minute(CopiesInSight const& sight, PieceOrder order) {
  for (int second = 0; second <= 60; ++second) order.see(sight, Time{seconds{1000 + second}});
  return order.rarest_first();
}

PieceOrder rarest() {
  PieceOrder order;
  order.see({2, 0u, 0}, Time{seconds{1}});
  CHECK(order.see({2, 0u, 0}, Time{seconds{2}}));
  REQUIRE(order.rarest_first());
  return order;
}

}  // namespace

TEST_CASE("rarest first where several have pieces and fewer than two copies are in sight, else in order") {
  struct Row {
    char const* what;
    CopiesInSight sight;
    bool rarest;
  };
  std::vector<Row> const table{
      {"nobody", {0, 0u, 0}, false},
      {"a lone seed", {1, 1u, 0}, false},
      {"one that has a part", {1, 0u, 0}, false},
      {"two halves", {2, 0u, 0}, true},
      {"two halves, and what we have makes one copy", {2, 1u, 0}, true},
      {"a seed and one that has a part", {2, 1u, 0}, true},
      {"two seeds", {2, 2u, 0}, false},
      {"a crowd with two copies", {40, 2u, 0}, false},
      {"a crowd with less", {40, 1u, 0}, true},
      {"a lone web seed", {0, 0u, 1}, false},
      {"a web seed and one that has a part", {1, 0u, 1}, true},
      {"a web seed and a seed", {1, 1u, 1}, false},
      {"two web seeds", {0, 0u, 2}, false},
      {"two web seeds and two halves", {2, 0u, 2}, false},
  };
  for (Row const& row : table) {
    INFO(row.what);
    CHECK(rarest_after_a_minute(row.sight, PieceOrder{}) == row.rarest);
    CHECK(rarest_after_a_minute(row.sight, rarest()) == row.rarest);
  }
}

TEST_CASE("copies that are not known change nothing") {
  CHECK_FALSE(rarest_after_a_minute({2, {}, 0}, PieceOrder{}));
  CHECK(rarest_after_a_minute({2, {}, 0}, rarest()));
  CHECK(rarest_after_a_minute({0, {}, 5}, rarest()));
}

TEST_CASE("the order follows a sight that lasts, and no flicker") {
  CopiesInSight const halves{2, 0u, 0};
  CopiesInSight const seeds{2, 2u, 0};
  PieceOrder order;
  // A second peer that is gone in the next moment.
  for (int second = 0; second < 100; ++second)
    CHECK_FALSE(order.see(second % 2 == 0 ? halves : seeds, Time{seconds{second}}));
  CHECK_FALSE(order.see(halves, Time{seconds{100}}));
  CHECK(order.see(halves, Time{seconds{101}}));
  CHECK(order.rarest_first());
  // Two copies that come and go: half a minute is what counts, from the last time they came.
  int changes = 0;
  for (int second = 102; second < 200; ++second)
    changes += order.see(second % 20 == 0 ? halves : seeds, Time{seconds{second}});
  CHECK(changes == 0);
  CHECK(order.rarest_first());
  for (int second = 200; second < 240; ++second) changes += order.see(seeds, Time{seconds{second}});
  CHECK(changes == 1);
  CHECK_FALSE(order.rarest_first());
}
