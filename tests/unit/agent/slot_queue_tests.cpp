#include "agent/work/slot_queue.h"

#include <doctest/doctest.h>

using namespace impound::agent;

namespace {

/// Everybody gets a slot in turn, and keeps it.
std::string order_of(std::vector<Queued> waiting, std::vector<std::string> active = {}) {
  std::string order;
  while (auto const next = next_in_queue(waiting, active)) {
    Queued const one = waiting[*next];
    order += one.id;
    active.push_back(one.cause);
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(*next));
  }
  return order;
}

}  // namespace

TEST_CASE("the oldest goes first") {
  CHECK(order_of({{"a", "x", false, 0, 3}, {"b", "x", false, 0, 1}, {"c", "x", false, 0, 2}}) == "bca");
  CHECK(order_of({{"b", "x"}, {"a", "x"}, {"c", "x"}}) == "abc");
  CHECK(order_of({}).empty());
}

TEST_CASE("a person goes before what was found") {
  CHECK(order_of({{"a", "x"}, {"b", "y"}, {"z", "", true}}) == "zab");
}

TEST_CASE("who had a turn in vain comes after those that had none, a person too") {
  CHECK(order_of({{"a", "x", false, 1}, {"b", "y"}, {"p", "", true, 2}, {"c", "x", false, 1}, {"q", "", true, 1}}) ==
        "bqacp");
}

TEST_CASE("causes take turns, so that one paste with many torrents holds nobody up") {
  CHECK(order_of({{"a", "x"}, {"b", "x"}, {"c", "x"}, {"d", "y"}, {"e", "z"}}) == "adebc");
  CHECK(order_of({{"a", "x"}, {"b", "y"}}, {"x", "x", "y"}) == "ba");
}

TEST_CASE("a slot that was lent goes back, and never from the suspect that runs alone") {
  CHECK(beyond_slots({}, 1).empty());
  CHECK(beyond_slots({{"a", false, 1}, {"b", false, 2}}, 2).empty());
  CHECK(beyond_slots({{"c", false, 3}, {"a", false, 1}, {"b", false, 2}}, 2) == std::set<std::string>{"c"});
  CHECK(beyond_slots({{"c", true, 3}, {"a", false, 1}, {"b", false, 2}}, 1) == std::set<std::string>{"a", "b"});
  CHECK(beyond_slots({{"c", true, 3}, {"a", false, 1}, {"b", true, 2}}, 1) == std::set<std::string>{"a"});
  CHECK(beyond_slots({{"b", false, 1}, {"a", false, 1}}, 1) == std::set<std::string>{"b"});
}
