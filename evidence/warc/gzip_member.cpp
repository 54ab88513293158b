#include "evidence/warc/gzip_member.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace impound::evidence {

namespace {

constexpr std::size_t block_bytes = 64 * 1024;

struct Deflate {
  isal_zstream stream;
  std::array<std::uint8_t, ISAL_DEF_LVL2_DEFAULT> level_buffer;
  std::array<std::uint8_t, block_bytes> out;
};

/// Runs the stream until it wants more input, or until it has ended.
Result<void> drain(Deflate& deflate, MemberSink const& sink) {
  do {
    deflate.stream.next_out = deflate.out.data();
    deflate.stream.avail_out = static_cast<std::uint32_t>(deflate.out.size());
    if (int const status = isal_deflate(&deflate.stream); status != COMP_OK)
      return Error{Code::io, "igzip failed with " + std::to_string(status), {}, {}};
    std::size_t const made = deflate.out.size() - deflate.stream.avail_out;
    if (made > 0) IMPOUND_CHECK(sink(std::as_bytes(std::span{deflate.out.data(), made})));
  } while (deflate.stream.avail_out == 0);
  return ok();
}

}  // namespace

Result<void> compress_member(std::initializer_list<Bytes> pieces, MemberSink const& sink) {
  auto const deflate = std::make_unique<Deflate>();
  isal_deflate_init(&deflate->stream);
  deflate->stream.gzip_flag = IGZIP_GZIP;
  deflate->stream.level = 2;
  deflate->stream.level_buf = deflate->level_buffer.data();
  deflate->stream.level_buf_size = static_cast<std::uint32_t>(deflate->level_buffer.size());
  for (Bytes piece : pieces) {
    while (!piece.empty()) {
      std::size_t const count = std::min<std::size_t>(piece.size(), 1u << 20);
      // igzip's interface lacks const; it only reads.
      deflate->stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(piece.data()));
      deflate->stream.avail_in = static_cast<std::uint32_t>(count);
      IMPOUND_CHECK(drain(*deflate, sink));
      piece = piece.subspan(count);
    }
  }
  deflate->stream.end_of_stream = 1;
  return drain(*deflate, sink);
}

struct MemberInflater::State {
  inflate_state inflate;
  std::array<std::uint8_t, block_bytes> out;
};

MemberInflater::MemberInflater() : state_(std::make_unique<State>()) {
  isal_inflate_init(&state_->inflate);
  state_->inflate.crc_flag = ISAL_GZIP;
}

MemberInflater::~MemberInflater() = default;
MemberInflater::MemberInflater(MemberInflater&&) noexcept = default;
MemberInflater& MemberInflater::operator=(MemberInflater&&) noexcept = default;

bool MemberInflater::ended() const { return state_->inflate.block_state == ISAL_BLOCK_FINISH; }

Result<std::size_t> MemberInflater::add(Bytes input, MemberSink const& sink) {
  inflate_state& inflate = state_->inflate;
  input = input.first(std::min<std::size_t>(input.size(), std::numeric_limits<std::int32_t>::max()));
  inflate.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(input.data()));
  inflate.avail_in = static_cast<std::uint32_t>(input.size());
  do {
    if (ended()) break;
    inflate.next_out = state_->out.data();
    inflate.avail_out = static_cast<std::uint32_t>(state_->out.size());
    int const status = isal_inflate(&inflate);
    if (status != ISAL_DECOMP_OK && status != ISAL_END_INPUT && status != ISAL_OUT_OVERFLOW)
      return Error{Code::malformed, "not a gzip member (igzip says " + std::to_string(status) + ")", {}, {}};
    std::size_t const made = state_->out.size() - inflate.avail_out;
    if (made > 0) IMPOUND_CHECK(sink(std::as_bytes(std::span{state_->out.data(), made})));
  } while (inflate.avail_in > 0 || inflate.avail_out == 0);
  return input.size() - inflate.avail_in;
}

}  // namespace impound::evidence
