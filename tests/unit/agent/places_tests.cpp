#include <doctest/doctest.h>

#include <tuple>

#include "agent/work/places.h"

using namespace impound::agent;

TEST_CASE("a file's path is a folder to open and a name in it") {
  for (auto const& [path, folder, name] :
       {std::tuple{"x", ".", "x"}, std::tuple{"/x", "/", "x"}, std::tuple{"a/b/x", "a/b", "x"},
        std::tuple{"./x", ".", "x"}, std::tuple{"", ".", ""}}) {
    CHECK(file_place(path).folder == folder);
    CHECK(file_place(path).name == name);
  }
}

TEST_CASE("the running program knows where it lies") {
  CHECK(own_program().starts_with("/"));
  CHECK(file_place(own_program()).folder == own_folder());
  CHECK(file_place(own_program()).name == "test_unit_agent");
}
