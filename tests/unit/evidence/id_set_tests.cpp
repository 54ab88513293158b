#include "evidence/verify/id_set.h"

#include <doctest/doctest.h>

using namespace impound::evidence;

TEST_CASE("ids that differ in any two bytes alone are told apart, and found again among a hundred thousand") {
  for (std::size_t const place : {std::size_t{0}, std::size_t{4}, std::size_t{8}, std::size_t{13}}) {
    IdSet set;
    IdBytes id{};
    id[6] = std::byte{0x70};
    std::size_t added = 0;
    for (unsigned i = 0; i < 100'000; ++i) {
      for (std::size_t byte = 0; byte < 3; ++byte)
        if (place + byte != 6) id[place + byte] = static_cast<std::byte>(i >> (8 * byte));
      bool const known = set.contains(id);
      REQUIRE(set.insert(id).second == !known);
      REQUIRE(set.contains(id));
      REQUIRE_FALSE(set.insert(id).second);
      added += known ? 0 : 1;
    }
    CHECK(added >= (place == 4 ? 65'536 : 100'000));
  }
  CHECK_FALSE(IdSet{}.contains(IdBytes{}));
}
