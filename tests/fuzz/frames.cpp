// decode_frame and the messages of the worker's line: whatever decodes is written as bytes that decode to the same.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/torrents/swarm_messages.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound;
  auto const frame = decode_frame({reinterpret_cast<char const*>(bytes), size});
  if (!frame) return 0;
  if (auto const message = fetchers::from_worker_from(frame.value())) {
    auto const again = encode_frame(fetchers::to_frame(message.value()));
    must(again && decode_frame(again.value()) && fetchers::from_worker_from(decode_frame(again.value()).value()));
  }
  if (auto const message = fetchers::to_worker_from(frame.value())) {
    auto const again = encode_frame(fetchers::to_frame(message.value()));
    must(again && decode_frame(again.value()) && fetchers::to_worker_from(decode_frame(again.value()).value()));
  }
  return 0;
}
