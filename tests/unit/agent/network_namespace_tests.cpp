#include <doctest/doctest.h>

#include "agent/work/network_namespace.h"

using namespace impound;
using namespace impound::agent;

TEST_CASE("P4: a network namespace is told by device and inode, and every doubt refuses") {
  CHECK(inside_network_namespace(""));
  CHECK(inside_network_namespace("net", "/proc/self/ns/net", "/proc/self/ns"));
  auto const other = inside_network_namespace("mnt", "/proc/self/ns/net", "/proc/self/ns");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::usage);
  CHECK(other.error().where == "/proc/self/ns/mnt");
  auto const absent = inside_network_namespace("absent", "/proc/self/ns/net", "/proc/self/ns");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().what.find("is not there") != std::string::npos);
  CHECK_FALSE(inside_network_namespace("net", "/nowhere", "/proc/self/ns"));
}
