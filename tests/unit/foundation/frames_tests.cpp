#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>

#include "evidence/system/frames.h"

using namespace impound;

namespace {

std::pair<Descriptor, Descriptor> socket_pair() {
  std::array<int, 2> both{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both.data()) == 0);
  return {Descriptor{both[0]}, Descriptor{both[1]}};
}

std::string bytes(std::initializer_list<unsigned> list) {
  std::string text;
  for (unsigned one : list) text += static_cast<char>(one);
  return text;
}

std::string repeated(std::string const& part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

/// {"a": value}
std::string in_map(std::string const& value) { return bytes({0xa1, 0x61, 'a'}) + value; }

}  // namespace

TEST_CASE("a frame comes back as it was sent") {
  Frame const frame{{"t", "file_done"},
                    {"n", 5},
                    {"m", -7},
                    {"flag", true},
                    {"bytes", bytes_value(std::string{"\0\xff", 2})},
                    {"list", Frame::array({"x", 1, Frame::array({2})})}};
  auto const encoded = encode_frame(frame).value();
  CHECK(decode_frame(std::string_view{encoded}.substr(4)).value() == frame);
}

TEST_CASE("P6: hostile CBOR is refused before it is decoded") {
  struct Hostile {
    char const* what;
    std::string cbor;
  };
  std::vector<Hostile> const table{
      {"nothing", ""},
      {"no map", bytes({0x01})},
      {"nested arrays", repeated(bytes({0x81}), 1'000'000)},
      {"nested maps", repeated(bytes({0xa1, 0x61, 'a'}), 300'000)},
      {"nested arrays in a map", in_map(repeated(bytes({0x81}), 900'000) + bytes({0x00}))},
      {"nested indefinite byte strings", repeated(bytes({0x5f}), 1'000'000)},
      {"nested indefinite texts", repeated(bytes({0x7f}), 1'000'000)},
      {"nested indefinite texts in a map", in_map(repeated(bytes({0x7f}), 900'000))},
      {"indefinite map", bytes({0xbf, 0xff})},
      {"indefinite array", in_map(bytes({0x9f, 0xff}))},
      {"array of 2^40", in_map(bytes({0x9b, 0, 0, 1, 0, 0, 0, 0, 0}))},
      {"array of 2^64-1", in_map(bytes({0x9b, 255, 255, 255, 255, 255, 255, 255, 255}))},
      {"map of 2^63", in_map(bytes({0xbb, 128, 0, 0, 0, 0, 0, 0, 0}))},
      {"map of 2^64-1", bytes({0xbb, 255, 255, 255, 255, 255, 255, 255, 255})},
      {"bytes of 2^64-1", in_map(bytes({0x5b, 255, 255, 255, 255, 255, 255, 255, 255}))},
      {"text of 2^40", in_map(bytes({0x7b, 0, 0, 1, 0, 0, 0, 0, 0}))},
      {"many small numbers", in_map(bytes({0x9a, 0, 0x0f, 0, 0}) + std::string(0x0f0000, '\0'))},
      {"many empty texts", in_map(bytes({0x99, 0x40, 0x01}) + repeated(bytes({0x60}), 0x4001))},
      {"many empty maps", in_map(bytes({0x99, 0x40, 0x00}) + repeated(bytes({0xa0}), 0x4000))},
      {"text that is not UTF-8", in_map(bytes({0x61, 0xff}))},
      {"text with a surrogate", in_map(bytes({0x63, 0xed, 0xa0, 0x80}))},
      {"text with an overlong form", in_map(bytes({0x62, 0xc0, 0x80}))},
      {"key that is not UTF-8", bytes({0xa1, 0x61, 0xff, 0x01})},
      {"half float", in_map(bytes({0xf9, 0x7e, 0x00}))},
      {"NaN", in_map(bytes({0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}))},
      {"null", in_map(bytes({0xf6}))},
      {"undefined", in_map(bytes({0xf7}))},
      {"simple value", in_map(bytes({0xf8, 0x20}))},
      {"true in two bytes", in_map(bytes({0xf8, 0x15}))},
      {"2^53", in_map(bytes({0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0}))},
      {"2^64-1", in_map(bytes({0x1b, 255, 255, 255, 255, 255, 255, 255, 255}))},
      {"-2^64", in_map(bytes({0x3b, 255, 255, 255, 255, 255, 255, 255, 255}))},
      {"tag", in_map(bytes({0xc1, 0x01}))},
      {"tagged map", bytes({0xd9, 0xd9, 0xf7, 0xa0})},
      {"bytes behind the map", bytes({0xa0, 0x00})},
      {"integer key", bytes({0xa1, 0x01, 0x02})},
      {"map without its last value", bytes({0xa1, 0x61, 'a'})},
      {"a key twice", bytes({0xa2, 0x61, 'a', 1, 0x61, 'a', 2})},
      {"a number in a long form", in_map(bytes({0x18, 0x01}))},
      {"break", bytes({0xff})},
      {"reserved length", in_map(bytes({0x1c}))},
      {"five deep", in_map(bytes({0x81, 0x81, 0x81, 0x81, 0x01}))},
  };
  for (auto const& hostile : table) {
    INFO(hostile.what);
    CHECK(decode_frame(hostile.cbor).has_error());
  }
  CHECK(refuse(in_map(bytes({0x81, 0x81, 0x81, 0x01}))) == nullptr);
  CHECK(refuse(in_map(bytes({0x1b, 0, 0x1f, 255, 255, 255, 255, 255, 255}))) == nullptr);
}

TEST_CASE("P6: every single-byte change of a frame is a frame or an error") {
  auto const good =
      encode_frame(Frame{{"t", "add"}, {"list", Frame::array({1, "x", bytes_value("y")})}}).value().substr(4);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned other = 0; other < 256; ++other) {
      auto changed = good;
      changed[at] = static_cast<char>(other);
      (void)decode_frame(changed);
    }
  }
}

TEST_CASE("frames arrive whole, in order, in whatever parts they come") {
  auto [left, right] = socket_pair();
  FrameLine line{std::move(right), 1 << 20};
  auto const both = encode_frame(Frame{{"t", "a"}}).value() + encode_frame(Frame{{"t", "b"}}).value();
  std::vector<std::string> seen;
  for (std::size_t at = 0; at < both.size(); ++at) {
    REQUIRE(::send(left.number(), &both[at], 1, 0) == 1);
    REQUIRE(line.receive().value());
    while (auto frame = line.next().value()) seen.push_back(frame_text(*frame, "t").value());
    bool const whole = at + 1 == both.size() / 2 || at + 1 == both.size();
    CHECK(line.half_a_frame() == !whole);
  }
  CHECK(seen == std::vector<std::string>{"a", "b"});
  left.reset();
  CHECK_FALSE(line.receive().value());
}

TEST_CASE("a frame longer than 1 MiB is refused on both sides") {
  CHECK(encode_frame(Frame{{"b", bytes_value(std::string(frame_bytes_max, 'x'))}}).error().code == Code::refused);
  auto [left, right] = socket_pair();
  FrameLine line{std::move(right), 1 << 20};
  auto const head = bytes({0x01, 0, 0x10, 0});
  REQUIRE(::send(left.number(), head.data(), head.size(), 0) == 4);
  REQUIRE(line.receive().value());
  CHECK(line.next().error().code == Code::malformed);
}

TEST_CASE("a side that does not read fills a bounded queue") {
  auto [left, right] = socket_pair();
  FrameLine line{std::move(left), 4 << 20};
  Frame const frame{{"b", bytes_value(std::string(500'000, 'x'))}};
  int sent = 0;
  while (line.send(frame) && sent < 100) ++sent;
  CHECK(sent >= 8);
  CHECK(sent < 100);
  CHECK(line.unsent());
  // And what was queued arrives once the other side reads.
  FrameLine other{std::move(right), 1 << 20};
  int got = 0;
  for (int round = 0; round < 1000 && got < sent; ++round) {
    REQUIRE(line.flush());
    REQUIRE(other.receive());
    while (other.next().value()) ++got;
  }
  CHECK(got == sent);
}

TEST_CASE("fields of a frame are read with their kind") {
  Frame const frame{{"text", "x"}, {"number", 3}, {"negative", -3}, {"flag", true}, {"bytes", bytes_value("z")}};
  CHECK(frame_text(frame, "text").value() == "x");
  CHECK(frame_number(frame, "number").value() == 3);
  CHECK(frame_flag(frame, "flag").value());
  CHECK(frame_bytes(frame, "bytes").value() == "z");
  CHECK(frame_number(frame, "negative").has_error());
  CHECK(frame_text(frame, "number").has_error());
  CHECK(frame_bytes(frame, "text").has_error());
  CHECK(frame_flag(frame, "absent").has_error());
}
