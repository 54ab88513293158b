// Orders of the agent's socket: whatever a frame holds, it is refused or is an order that reads the same once more.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/service/control_messages.h"
#include "evidence/values/must.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound;
  auto const frame = decode_frame({reinterpret_cast<char const*>(bytes), size});
  if (!frame) return 0;
  static_cast<void>(agent::control_answer_from(frame.value()));
  auto const order = agent::control_order_from(frame.value());
  if (!order) return 0;
  Frame const again = agent::to_frame(order.value());
  must(agent::control_order_from(again).has_value());
  must(agent::to_frame(agent::control_order_from(again).value()) == again);
  return 0;
}
