#include "agent/service/control_messages.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace impound;
using namespace impound::agent;

namespace {

std::vector<ControlOrder> every_order() {
  return {ControlHello{control_version, "fetch", "A. Person", true, 80},
          NoteOrder{"an id", "a text with \xff in it"},
          CaseOrder{"open", "emleaks", "", "a title", "an authority", "a reason"},
          TimestampOrder{},
          ExportOrder{"csv", "emleaks", "a digest", 7, 9},
          CopyOrder{"an id", "/a/folder", 3, std::uint64_t{1} << 40},
          TargetText{"magnet:?xt=x"},
          TargetPiece{std::string(control_piece_bytes_max, 'p'), true},
          FetchOrder{"emleaks", {"192.0.2.1:1", "peer.example:2"}, true, true, 60},
          FetchOrder{}};
}

std::vector<ControlAnswer> every_answer() {
  return {ControlHello{}, Said{"a line"}, StatusLines{{"one", "two"}, "plain"},
          Out{"bytes\n"}, DoneOrder{1},   FailedOrder{Error{Code::no_space, "what", "where", "hint"}}};
}

}  // namespace

TEST_CASE("each message of the agent's socket comes back as it was") {
  for (ControlOrder const& order : every_order()) {
    Frame const frame = to_frame(order);
    auto const bytes = encode_frame(frame);
    REQUIRE(bytes);
    auto const decoded = decode_frame(std::string_view{bytes.value()}.substr(4));
    REQUIRE(decoded);
    auto const read = control_order_from(decoded.value());
    REQUIRE_MESSAGE(read, line(read.error()));
    CHECK(read.value().index() == order.index());
    CHECK(to_frame(read.value()) == frame);
  }
  for (ControlAnswer const& answer : every_answer()) {
    auto const read = control_answer_from(to_frame(answer));
    REQUIRE(read);
    CHECK(to_frame(read.value()) == to_frame(answer));
  }
  auto const failed = control_answer_from(to_frame(every_answer().back()));
  CHECK(std::get<FailedOrder>(failed.value()).error.code == Code::no_space);
}

TEST_CASE("P6: a message with a field more, less or of another kind is none") {
  for (ControlOrder const& order : every_order()) {
    Frame const whole = to_frame(order);
    INFO(whole["t"]);
    Frame more = whole;
    more["other"] = 1;
    CHECK_FALSE(control_order_from(more));
    for (auto const& [key, value] : whole.items()) {
      Frame less = whole;
      less.erase(key);
      bool const optional = key == "timeout_s";
      CHECK(control_order_from(less).has_value() == optional);
      Frame other = whole;
      other[key] = Frame::array({-1});
      CHECK_FALSE(control_order_from(other));
    }
  }
  CHECK_FALSE(control_order_from(Frame{{"t", "said"}, {"text", bytes_value("x")}}));
  CHECK_FALSE(control_order_from(Frame::object()));
  CHECK_FALSE(control_order_from(to_frame(ControlOrder{NoteOrder{"", std::string(control_text_bytes_max + 1, 'x')}})));
  CHECK_FALSE(control_order_from(to_frame(ControlOrder{TargetPiece{std::string(control_piece_bytes_max + 1, 'x')}})));
  FetchOrder many;
  many.peers.assign(control_list_max + 1, "p");
  CHECK_FALSE(control_order_from(to_frame(ControlOrder{many})));
}
