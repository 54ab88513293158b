// decode_frame and the messages of the worker's line: whatever decodes is written as bytes that decode to the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/values/must.h"
#include "fetchers/torrents/swarm_messages.h"

namespace {

using namespace impound;

/// What would be sent for this message, without the length in front; the same bytes whenever it is read and sent again.
template <class Message, class Read>
void check_comes_back(Message const& message, Read read) {
  auto const sent = encode_frame(fetchers::to_frame(message));
  must(bool(sent));
  std::string_view const cbor = std::string_view{sent.value()}.substr(4);
  auto const frame = decode_frame(cbor);
  must(bool(frame));
  auto const again = read(frame.value());
  must(bool(again));
  auto const once_more = encode_frame(fetchers::to_frame(again.value()));
  must(once_more && once_more.value() == sent.value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  auto const frame = decode_frame({reinterpret_cast<char const*>(bytes), size});
  if (!frame) return 0;
  if (auto const message = fetchers::from_worker_from(frame.value()))
    check_comes_back(message.value(), fetchers::from_worker_from);
  if (auto const message = fetchers::to_worker_from(frame.value()))
    check_comes_back(message.value(), fetchers::to_worker_from);
  return 0;
}
