#include "fetchers/reading/worker/content_decoding.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::size_t block_bytes = 64u << 10;
constexpr int zstd_window_log_max = 23;  // 8 MiB: all that RFC 9659 lets an HTTP body ask for

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

enum class Step { more, ended, broken };

}  // namespace

/// step() takes from `in` and puts to `out`; both may be left in part.
class ContentDecoder::Stage {
 public:
  Stage() = default;
  virtual ~Stage() = default;
  Stage(Stage const&) = delete;
  Stage& operator=(Stage const&) = delete;
  virtual Step step(std::string_view& in, char* out, std::size_t room, std::size_t& put) = 0;
  /// What lies behind the end: another member of the same coding.
  virtual bool goes_on(std::string_view) { return false; }

  std::uint64_t taken = 0, given = 0;
  bool ended = false;
  std::vector<char> block = std::vector<char>(block_bytes);  // what comes out of it, until the next one has it
};

namespace {

/// RFC 1952, RFC 1950, RFC 1951, by zlib.
class Inflate final : public ContentDecoder::Stage {
 public:
  explicit Inflate(bool gzip) : gzip_(gzip) {}
  ~Inflate() override {
    if (made_) ::inflateEnd(&stream_);
  }

  Step step(std::string_view& in, char* out, std::size_t room, std::size_t& put) override {
    if (!made_) {
      if (!gzip_ && held_.empty() && in.size() < 2) {  // what kind it is shows in two bytes
        held_ = std::string(in);
        in = {};
        return Step::more;
      }
      if (!make(in)) return Step::broken;
    }
    if (!held_.empty()) {
      std::string_view held = held_;
      Step const held_step = run(held, out, room, put);
      held_.erase(0, held_.size() - held.size());
      if (held_step != Step::more || put == room || !held_.empty()) return held_step;
      std::size_t more = 0;
      Step const next = run(in, out + put, room - put, more);
      put += more;
      return next;
    }
    return run(in, out, room, put);
  }

  bool goes_on(std::string_view rest) override {
    return gzip_ && rest.starts_with("\x1f") && ::inflateReset(&stream_) == Z_OK;
  }

 private:
  bool make(std::string_view in) {
    int bits = 15 + 16;
    if (!gzip_) {
      std::string const first = held_ + std::string(in.substr(0, 2 - std::min<std::size_t>(held_.size(), 2)));
      auto const at = [&](std::size_t i) { return i < first.size() ? static_cast<unsigned char>(first[i]) : 0u; };
      bits = (at(0) & 15u) == 8 && (at(0) << 8 | at(1)) % 31 == 0 ? 15 : -15;
    }
    made_ = ::inflateInit2(&stream_, bits) == Z_OK;
    return made_;
  }

  Step run(std::string_view& in, char* out, std::size_t room, std::size_t& put) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib reads it only
    stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(in.size(), 1u << 30));
    uInt const offered = stream_.avail_in;
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(room);
    int const said = ::inflate(&stream_, Z_NO_FLUSH);
    in.remove_prefix(offered - stream_.avail_in);
    put = room - stream_.avail_out;
    if (said == Z_STREAM_END) return Step::ended;
    return said == Z_OK || said == Z_BUF_ERROR ? Step::more : Step::broken;
  }

  bool gzip_;
  bool made_ = false;
  std::string held_;
  z_stream stream_{};
};

/// RFC 7932. Its window is at most 16 MiB.
class Brotli final : public ContentDecoder::Stage {
 public:
  Step step(std::string_view& in, char* out, std::size_t room, std::size_t& put) override {
    if (!state_) return Step::broken;
    auto const* next = reinterpret_cast<std::uint8_t const*>(in.data());
    std::size_t left = in.size();
    auto* into = reinterpret_cast<std::uint8_t*>(out);
    std::size_t room_left = room;
    auto const said = ::BrotliDecoderDecompressStream(state_.get(), &left, &next, &room_left, &into, nullptr);
    in.remove_prefix(in.size() - left);
    put = room - room_left;
    if (said == BROTLI_DECODER_RESULT_ERROR) return Step::broken;
    return said == BROTLI_DECODER_RESULT_SUCCESS ? Step::ended : Step::more;
  }

 private:
  std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state_{
      ::BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), &::BrotliDecoderDestroyInstance};
};

/// RFC 8878; several frames are one body.
class Zstd final : public ContentDecoder::Stage {
 public:
  Zstd() {
    if (state_) ::ZSTD_DCtx_setParameter(state_.get(), ZSTD_d_windowLogMax, zstd_window_log_max);
  }
  Step step(std::string_view& in, char* out, std::size_t room, std::size_t& put) override {
    if (!state_) return Step::broken;
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer into{out, room, 0};
    std::size_t const said = ::ZSTD_decompressStream(state_.get(), &into, &from);
    in.remove_prefix(from.pos);
    put = into.pos;
    if (::ZSTD_isError(said) != 0) return Step::broken;
    return said == 0 ? Step::ended : Step::more;
  }
  bool goes_on(std::string_view rest) override { return !rest.empty(); }

 private:
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> state_{::ZSTD_createDCtx(), &::ZSTD_freeDCtx};
};

}  // namespace

ContentDecoder::ContentDecoder(std::string_view codings, DecodingLimits const& limits, PartSink sink)
    : limits_(limits), sink_(std::move(sink)) {
  // The last one named was put on last, so it comes off first.
  while (!codings.empty()) {
    auto const comma = codings.rfind(',');
    auto const name = lowered(trimmed(codings.substr(comma == std::string_view::npos ? 0 : comma + 1)));
    codings = codings.substr(0, comma == std::string_view::npos ? 0 : comma);
    if (name.empty() || name == "identity") continue;
    if (name == "gzip" || name == "x-gzip")
      stages_.push_back(std::make_unique<Inflate>(true));
    else if (name == "deflate")
      stages_.push_back(std::make_unique<Inflate>(false));
    else if (name == "br")
      stages_.push_back(std::make_unique<Brotli>());
    else if (name == "zstd")
      stages_.push_back(std::make_unique<Zstd>());
    else
      static_cast<void>(fail(DecodingFault::unknown_coding, Code::refused, "a content coding that is not known"));
    if (stages_.size() > limits_.codings_max)
      static_cast<void>(fail(DecodingFault::unknown_coding, Code::refused, "too many content codings"));
    if (fault_ != DecodingFault::none) return;
  }
}

ContentDecoder::~ContentDecoder() = default;

Error ContentDecoder::fail(DecodingFault fault, Code code, std::string what) {
  if (fault_ == DecodingFault::none) {
    fault_ = fault;
    code_ = code;
    what_ = std::move(what);
  }
  return Error{code_, what_, {}, {}};
}

Result<void> ContentDecoder::write(std::string_view bytes) {
  if (fault_ != DecodingFault::none) return Error{code_, what_, {}, {}};
  return into(0, bytes);
}

Result<void> ContentDecoder::finish() {
  if (fault_ != DecodingFault::none) return Error{code_, what_, {}, {}};
  for (auto const& stage : stages_)
    if (!stage->ended && stage->taken > 0)
      return fail(DecodingFault::cut_off, Code::malformed, "the content coding is cut off");
  return ok();
}

/// Hands bytes to a coding, and what comes out of it to the next; behind the last one is the sink.
Result<void> ContentDecoder::into(std::size_t stage, std::string_view bytes) {
  if (stage == stages_.size()) return emit(stage, bytes);
  Stage& coding = *stages_[stage];
  std::vector<char>& block = coding.block;
  bool full = false;  // more may come out though nothing is left to go in
  while (!bytes.empty() || full) {
    if (coding.ended) {
      if (!coding.goes_on(bytes)) return ok();
      coding.ended = false;
    }
    std::size_t put = 0;
    std::size_t const before = bytes.size();
    Step const step = coding.step(bytes, block.data(), block.size(), put);
    coding.taken += before - bytes.size();
    coding.given += put;
    if (put > 0) {
      if (coding.given > limits_.bytes_max)
        return fail(DecodingFault::too_large, Code::refused,
                    "more than " + std::to_string(limits_.bytes_max) + " bytes come out of its content coding");
      if (coding.given > limits_.ratio_from && coding.given / limits_.ratio_max > coding.taken)
        return fail(DecodingFault::ratio, Code::refused,
                    "more than " + std::to_string(limits_.ratio_max) + " bytes come out of each of its content coding");
      IMPOUND_CHECK(into(stage + 1, {block.data(), put}));
    }
    if (step == Step::broken) return fail(DecodingFault::broken, Code::malformed, "the content coding is broken");
    if (std::chrono::steady_clock::now() > limits_.end)
      return fail(DecodingFault::time, Code::timeout, "reading it takes too long");
    coding.ended = step == Step::ended;
    full = put == block.size() && !coding.ended;
    if (before == bytes.size() && put == 0 && !coding.ended) break;  // it can do no more with what there is
  }
  return ok();
}

Result<void> ContentDecoder::emit(std::size_t, std::string_view bytes) {
  if (std::chrono::steady_clock::now() > limits_.end)
    return fail(DecodingFault::time, Code::timeout, "reading it takes too long");
  if (bytes_ + bytes.size() > limits_.bytes_max)
    return fail(DecodingFault::too_large, Code::refused,
                "it has more than " + std::to_string(limits_.bytes_max) + " bytes");
  bytes_ += bytes.size();
  auto taken = sink_(bytes);
  if (!taken) return fail(DecodingFault::sink, taken.error().code, taken.error().what);
  return ok();
}

}  // namespace impound::fetchers
