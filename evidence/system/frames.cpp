#include "evidence/system/frames.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace impound {

namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::uint64_t number_max = (std::uint64_t{1} << 53) - 1;
// A socket that is always readable must not keep us from sending: one receive() takes this much at most.
constexpr std::size_t receive_bytes_max = 256u << 10;

std::uint32_t length_at(std::string_view bytes) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    length |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return length;
}

/// The head of a CBOR item: major type and argument.
struct Head {
  unsigned major = 0;
  std::uint64_t argument = 0;
};

/// Why there is no head at `at`, or nullptr and `at` behind it.
char const* read_head(std::string_view cbor, std::size_t& at, Head& head) {
  if (at >= cbor.size()) return "cut off";
  auto const first = static_cast<unsigned char>(cbor[at++]);
  head.major = first >> 5;
  unsigned const small = first & 31u;
  if (small < 24) {
    head.argument = small;
    return nullptr;
  }
  if (small > 27) return "indefinite or reserved length";
  std::size_t const width = std::size_t{1} << (small - 24);
  if (cbor.size() - at < width) return "cut off";
  head.argument = 0;
  for (std::size_t i = 0; i < width; ++i) {
    head.argument = head.argument << 8 | static_cast<unsigned char>(cbor[at++]);
  }
  return nullptr;
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    auto const first = static_cast<unsigned char>(text[i++]);
    if (first < 0x80) continue;
    int const more = first >= 0xc2 && first <= 0xdf   ? 1
                     : first >= 0xe0 && first <= 0xef ? 2
                     : first >= 0xf0 && first <= 0xf4 ? 3
                                                      : 0;
    if (more == 0) return false;
    for (int k = 0; k < more; ++k, ++i) {
      if (i >= text.size()) return false;
      auto const next = static_cast<unsigned char>(text[i]);
      unsigned low = 0x80;
      unsigned high = 0xbf;
      if (k == 0) {  // no overlong forms, no surrogates, nothing beyond U+10FFFF
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
      }
      if (next < low || next > high) return false;
    }
  }
  return true;
}

ssize_t receive_with(int socket, char* into, std::size_t size, std::vector<Descriptor>& handed) {
  iovec part{into, size};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  ssize_t const got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  cmsghdr const* const head = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (head != nullptr && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
      head->cmsg_len == CMSG_LEN(sizeof(int))) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(head), sizeof number);
    handed.emplace_back(number);
  }
  return got;
}

Error malformed(std::string what) { return Error{Code::malformed, "a worker's message is malformed: " + what, {}, {}}; }

Error missing(char const* key) {
  return malformed(std::string{"the field '"} + key + "' is missing or of another kind");
}

}  // namespace

char const* refuse_first(std::string_view cbor, std::size_t& end) {
  // What is still open, innermost last: how many items are to come, and whether it is a map (a map of n pairs has 2n
  // items, every even one left begins with a key).
  struct Level {
    std::uint64_t left = 0;
    bool map = false;
  };
  std::array<Level, static_cast<std::size_t>(frame_depth_max)> open;
  std::size_t depth = 0;
  std::size_t at = 0;
  std::size_t items = 0;
  do {
    Head head;
    if (char const* why = read_head(cbor, at, head)) return why;
    if (++items > frame_items_max) return "too many items";
    if (depth == 0 && head.major != 5) return "no map at the top";
    if (depth > 0) {
      Level& inner = open[depth - 1];
      if (inner.map && inner.left % 2 == 0 && head.major != 3) return "a key that is no text";
      --inner.left;
    }
    switch (head.major) {
      case 0:
        if (head.argument > number_max) return "a number that is too large";
        break;
      case 1:
        if (head.argument >= number_max) return "a number that is too small";
        break;
      case 2:
      case 3:
        if (head.argument > cbor.size() - at) return "a length beyond the frame";
        if (head.major == 3 && !is_utf8(cbor.substr(at, head.argument))) return "a text that is not UTF-8";
        at += head.argument;
        break;
      case 4:
      case 5:
        if (head.argument > frame_items_max) return "too many items";
        if (depth == open.size()) return "too deep";
        open[depth++] = Level{head.major == 5 ? 2 * head.argument : head.argument, head.major == 5};
        break;
      case 7:
        if (head.argument != 20 && head.argument != 21) return "a float, null or unknown simple value";
        if (static_cast<unsigned char>(cbor[at - 1]) != (0xe0 | head.argument)) return "a simple value in a long form";
        break;
      default: return "a tag";
    }
    while (depth > 0 && open[depth - 1].left == 0) --depth;
  } while (depth > 0);
  end = at;
  return nullptr;
}

char const* refuse(std::string_view cbor) {
  std::size_t end = 0;
  if (char const* why = refuse_first(cbor, end)) return why;
  return end == cbor.size() ? nullptr : "bytes behind the map";
}

Result<std::string> encode_frame(Frame const& frame) {
  std::string bytes(length_bytes, '\0');
  try {
    Frame::to_cbor(frame, nlohmann::detail::output_adapter<char>(bytes));
  } catch (nlohmann::json::exception const& problem) {
    return Error{Code::malformed, std::string{"a message cannot be encoded: "} + problem.what(), {}, {}};
  }
  std::size_t const length = bytes.size() - length_bytes;
  if (length > frame_bytes_max) return Error{Code::refused, "a message is longer than a frame may be", {}, {}};
  if (char const* why = refuse(std::string_view{bytes}.substr(length_bytes))) {
    return Error{Code::refused, std::string{"a message the other side would refuse: "} + why, {}, {}};
  }
  for (std::size_t i = 0; i < length_bytes; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return bytes;
}

Result<Frame> decode_frame(std::string_view cbor) {
  if (char const* why = refuse(cbor)) return malformed(why);
  try {
    Frame frame = Frame::from_cbor(cbor, true, true);
    // nlohmann keeps the last of equal keys. Encoding again gives the same length only if none was dropped and every
    // length was in its shortest form.
    std::string again;
    Frame::to_cbor(frame, nlohmann::detail::output_adapter<char>(again));
    if (again.size() != cbor.size()) return malformed("a key that comes twice, or a number not in its shortest form");
    return frame;
  } catch (nlohmann::json::exception const& problem) {
    return malformed(problem.what());
  }
}

Frame bytes_value(std::string_view bytes) {
  return Frame::binary({reinterpret_cast<std::uint8_t const*>(bytes.data()),
                        reinterpret_cast<std::uint8_t const*>(bytes.data()) + bytes.size()});
}

Result<std::string> frame_text(Frame const& frame, char const* key) {
  auto const found = frame.find(key);
  if (found == frame.end() || !found->is_string()) return missing(key);
  return found->get_ref<std::string const&>();
}

Result<std::string> frame_bytes(Frame const& frame, char const* key) {
  auto const found = frame.find(key);
  if (found == frame.end() || !found->is_binary()) return missing(key);
  auto const& bytes = found->get_binary();
  return std::string{bytes.begin(), bytes.end()};
}

Result<std::uint64_t> frame_number(Frame const& frame, char const* key) {
  auto const found = frame.find(key);
  // A frame of our own making may hold its numbers signed; a decoded one never does when they are not negative.
  if (found == frame.end() || !found->is_number_integer() || *found < 0) return missing(key);
  auto const number = found->get<std::uint64_t>();
  if (number > number_max) return missing(key);
  return number;
}

Result<bool> frame_flag(Frame const& frame, char const* key) {
  auto const found = frame.find(key);
  if (found == frame.end() || !found->is_boolean()) return missing(key);
  return found->get<bool>();
}

Result<void> FrameLine::send(Frame const& frame, int handed) {
  IMPOUND_TRY(bytes, encode_frame(frame));
  if (unsent_bytes() + bytes.size() > queue_bytes_max_) {
    return Error{Code::refused, "the other side of a worker's line does not read", {}, {}};
  }
  std::size_t put = 0;
  if (handed >= 0) {
    IMPOUND_TRY(first, send_with(bytes, handed));
    put = first;
  }
  out_.append(bytes, put);
  return flush();
}

/// How much of the bytes the socket took; at least one, and the descriptor with it.
Result<std::size_t> FrameLine::send_with(std::string_view bytes, int handed) {
  if (unsent()) return Error{Code::refused, "a descriptor cannot wait behind what is unsent", {}, {}};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &handed, sizeof handed);
  ssize_t put = 0;
  do {
    put = ::sendmsg(socket_.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (put < 0 && errno == EINTR);
  if (put < 0) return from_errno(errno, "cannot hand a worker a descriptor", {});
  return static_cast<std::size_t>(put);
}

Result<void> FrameLine::flush() {
  while (unsent()) {
    ssize_t const put = ::send(socket_.number(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return from_errno(errno, "the other side of a worker's line is gone", {});
    }
    sent_ += static_cast<std::size_t>(put);
  }
  if (!unsent()) {
    out_.clear();
    sent_ = 0;
  } else if (sent_ > frame_bytes_max) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
  return ok();
}

Result<bool> FrameLine::receive(std::vector<Descriptor>* handed) {
  if (taken_ > 0) {
    in_.erase(0, taken_);
    taken_ = 0;
  }
  std::size_t const before = in_.size();
  in_.resize(before + receive_bytes_max);
  ssize_t got = 0;
  do {
    // Without room for them, descriptors that the other side attaches are dropped by the kernel.
    got = handed == nullptr ? ::recv(socket_.number(), in_.data() + before, receive_bytes_max, MSG_DONTWAIT)
                            : receive_with(socket_.number(), in_.data() + before, receive_bytes_max, *handed);
  } while (got < 0 && errno == EINTR);
  int const number = errno;
  in_.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
  if (got > 0) return true;
  if (got == 0) return false;
  if (number == EAGAIN || number == EWOULDBLOCK) return true;
  if (number == ECONNRESET) return false;
  return from_errno(number, "cannot read a worker's line", {});
}

Result<std::optional<Frame>> FrameLine::next() {
  std::string_view const rest = std::string_view{in_}.substr(taken_);
  if (rest.size() < length_bytes) return std::optional<Frame>{};
  std::size_t const length = length_at(rest);
  if (length > frame_bytes_max) return malformed("longer than a frame may be");
  if (rest.size() < length_bytes + length) return std::optional<Frame>{};
  IMPOUND_TRY(frame, decode_frame(rest.substr(length_bytes, length)));
  taken_ += length_bytes + length;
  return std::optional<Frame>{std::move(frame)};
}

}  // namespace impound
