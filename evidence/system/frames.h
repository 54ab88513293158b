// The line between the agent and a worker: frames over a stream socket.
//
//     u32 LE length ≤ 1 MiB | CBOR map {"t": type, …}        (RFC 8949, a small subset of it)
//
// The other side may be hostile: what it sends is judged by refuse() before a decoder sees it, because nlohmann's
// from_cbor recurses without bound (150,000 nested arrays, or nested indefinite strings, end the process). After
// refuse() there are only definite lengths, text keys, at most 4 levels and 16,384 items, no tags, floats or nulls.
//
// FrameLine never blocks: it has a buffer for what came in part and one, bounded, for what could not be sent yet. The
// owner polls. One thread at a time.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/system/descriptor.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound {

constexpr std::size_t frame_bytes_max = std::size_t{1} << 20;
constexpr int frame_depth_max = 4;
constexpr std::size_t frame_items_max = 16'384;

/// A map with text keys; bytes are nlohmann's binary.
using Frame = nlohmann::json;

/// Why these bytes are no frame, or nullptr. No recursion, no allocation.
char const* refuse(std::string_view cbor);
/// The same of a map at their beginning: `end` is behind it, whatever follows there.
char const* refuse_first(std::string_view cbor, std::size_t& end);

/// The bytes of one frame, length in front. Code::refused when it is too long or the receiver would refuse it.
Result<std::string> encode_frame(Frame const& frame);

/// The map in `cbor` (without the length). Keys are unique and every text is valid UTF-8. Code::malformed otherwise.
Result<Frame> decode_frame(std::string_view cbor);

// Checked access to a frame's fields. Code::malformed names the key.
Result<std::string> frame_text(Frame const& frame, char const* key);
Result<std::string> frame_bytes(Frame const& frame, char const* key);     // a byte string, as raw bytes
Result<std::uint64_t> frame_number(Frame const& frame, char const* key);  // 0 … 2^53-1
Result<bool> frame_flag(Frame const& frame, char const* key);
/// A CBOR byte string.
Frame bytes_value(std::string_view bytes);

class FrameLine {
 public:
  /// `queue_bytes_max`: how much may wait unsent before send() gives Code::refused.
  FrameLine(Descriptor socket, std::size_t queue_bytes_max)
      : socket_(std::move(socket)), queue_bytes_max_(queue_bytes_max) {}

  int number() const { return socket_.number(); }

  /// Queues the frame and sends what the socket takes now. `handed`: an open descriptor that goes with its first byte
  /// (SCM_RIGHTS), borrowed; then nothing else may wait unsent (Code::refused), and the socket takes it now or never.
  Result<void> send(Frame const& frame, int handed = -1);
  /// Sends what the socket takes now. Code::io when the other side is gone.
  Result<void> flush();
  /// Something waits to be sent: poll for POLLOUT as well.
  bool unsent() const { return sent_ < out_.size(); }
  std::size_t unsent_bytes() const { return out_.size() - sent_; }

  /// Reads what has come, once. False when the other side closed. `handed`: takes the descriptors that came with it, in
  /// order; without it the kernel drops them.
  Result<bool> receive(std::vector<Descriptor>* handed = nullptr);
  /// The next whole frame among what was received. Code::malformed: end the worker.
  Result<std::optional<Frame>> next();
  /// A part of a frame has come and the rest has not: the owner gives it a deadline.
  bool half_a_frame() const { return taken_ < in_.size(); }

 private:
  Result<std::size_t> send_with(std::string_view bytes, int handed);

  Descriptor socket_;
  std::size_t queue_bytes_max_;
  std::string out_;
  std::size_t sent_ = 0;
  std::string in_;
  std::size_t taken_ = 0;
};

}  // namespace impound
