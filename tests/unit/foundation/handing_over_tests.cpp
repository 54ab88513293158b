// A descriptor that goes with a frame, and the sealed memory behind it.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "evidence/system/frames.h"
#include "evidence/system/sealed_memory.h"

using namespace impound;

namespace {

std::pair<FrameLine, FrameLine> lines() {
  std::array<int, 2> both{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both.data()) == 0);
  return {FrameLine{Descriptor{both[0]}, 8u << 20}, FrameLine{Descriptor{both[1]}, 8u << 20}};
}

std::string contents(int descriptor) {
  std::string text(100, '\0');
  ssize_t const got = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

}  // namespace

TEST_CASE("descriptors go with their frames, in order, and close on exec") {
  auto [here, there] = lines();
  for (std::string const text : {"one", "two", "three"}) {
    auto const memory = sealed_memory(text);
    REQUIRE(memory);
    REQUIRE(here.send(Frame{{"t", text}}, memory.value().number()));
    REQUIRE(here.send(Frame{{"t", "between"}}));
  }
  std::vector<Descriptor> handed;
  std::vector<std::string> said;
  for (int round = 0; round < 20; ++round) {
    REQUIRE(there.receive(&handed));
    while (true) {
      auto const frame = there.next();
      REQUIRE(frame);
      if (!frame.value()) break;
      said.push_back(frame.value()->at("t").get<std::string>());
    }
  }
  CHECK(said == std::vector<std::string>{"one", "between", "two", "between", "three", "between"});
  REQUIRE(handed.size() == 3);
  CHECK(contents(handed[0].number()) == "one");
  CHECK(contents(handed[2].number()) == "three");
  CHECK((::fcntl(handed[1].number(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("P6: descriptors that nobody asked for are dropped") {
  auto [here, there] = lines();
  int const before = ::dup(0);
  ::close(before);
  auto const memory = sealed_memory("x");
  REQUIRE(memory);
  for (int i = 0; i < 50; ++i) REQUIRE(here.send(Frame{{"t", "x"}}, memory.value().number()));
  for (int round = 0; round < 100; ++round) REQUIRE(there.receive());
  int const after = ::dup(0);
  ::close(after);
  CHECK(after <= before + 1);  // the memory's own
}

TEST_CASE("a descriptor does not wait behind what is unsent") {
  auto [here, there] = lines();
  std::string const large(900'000, 'x');
  REQUIRE(here.send(Frame{{"t", large}}));
  REQUIRE(here.unsent());
  auto const refused = here.send(Frame{{"t", "x"}}, 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::refused);
}

TEST_CASE("P6: sealed memory is changed by nobody, its maker included") {
  auto const memory = sealed_memory("as it was");
  REQUIRE(memory);
  int const number = memory.value().number();
  CHECK(::pwrite(number, "x", 1, 0) < 0);
  CHECK(errno == EPERM);
  CHECK(::ftruncate(number, 0) < 0);
  CHECK(::ftruncate(number, 100) < 0);
  CHECK(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, number, 0) == MAP_FAILED);
  CHECK(::fcntl(number, F_ADD_SEALS, F_SEAL_WRITE) < 0);
  CHECK(contents(number) == "as it was");
  CHECK(sealed_memory(""));
}
