#include "evidence/warc/reader.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/warc/gzip_member.h"

namespace impound::evidence {

namespace {

constexpr std::size_t input_bytes = 64 * 1024;
constexpr std::string_view record_end = "\r\n\r\n";

bool same_name(std::string_view a, std::string_view b) {
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

Error malformed(char const* what) { return Error{Code::malformed, what, {}, {}}; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// `head` is "WARC/1.1\r\nName: value\r\n…", without the empty line.
Result<void> parse_head(std::string_view head, WarcReadLimits const& limits, WarcMember& member) {
  auto const line_of = [&head]() {
    auto const end = head.find("\r\n");
    std::string_view const text = head.substr(0, end);
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
    return text;
  };
  member.version = std::string(line_of());
  if (member.version != "WARC/1.1" && member.version != "WARC/1.0") return malformed("not a WARC record");
  while (!head.empty()) {
    std::string_view const text = line_of();
    auto const colon = text.find(':');
    if (colon == 0 || colon == std::string_view::npos) return malformed("a WARC header without a name");
    if (member.headers.size() == limits.headers_max) return Error{Code::refused, "too many WARC headers", {}, {}};
    member.headers.emplace_back(text.substr(0, colon), trimmed(text.substr(colon + 1)));
  }
  auto const length = member.header("Content-Length");
  if (!length) return malformed("a WARC record without Content-Length");
  auto const [end, error] = std::from_chars(length->data(), length->data() + length->size(), member.block_bytes);
  if (error != std::errc{} || end != length->data() + length->size()) return malformed("Content-Length is no number");
  return ok();
}

/// Takes the inflated bytes of one member: head, block, the two line ends.
struct RecordWalk {
  WarcReadLimits const& limits;
  std::function<void(Bytes)> const& sink;
  WarcMember member{};
  std::string head{};
  bool head_done = false;
  std::uint64_t block_left = 0;
  std::size_t end_seen = 0;
  std::uint64_t inflated = 0;
  Sha256Stream block_digest{};

  Result<void> add(Bytes bytes) {
    inflated += bytes.size();
    if (inflated > limits.member_bytes_max) return Error{Code::refused, "a gzip member inflates to too much", {}, {}};
    if (!head_done) IMPOUND_CHECK(add_to_head(bytes));
    std::size_t const of_block = static_cast<std::size_t>(std::min<std::uint64_t>(block_left, bytes.size()));
    if (head_done && of_block > 0) {
      block_digest.add(bytes.first(of_block));
      if (sink) sink(bytes.first(of_block));
      block_left -= of_block;
      bytes = bytes.subspan(of_block);
    }
    for (std::byte const byte : bytes) {
      if (end_seen == record_end.size() || static_cast<char>(byte) != record_end[end_seen])
        return malformed("something other than two line ends behind a WARC record");
      ++end_seen;
    }
    return ok();
  }

  /// Leaves in `bytes` what lies behind the head.
  Result<void> add_to_head(Bytes& bytes) {
    std::size_t const before = head.size();
    std::size_t const room = limits.head_bytes_max + record_end.size() - before;
    std::size_t const count = std::min(room, bytes.size());
    head.append(text_of(bytes.first(count)));
    auto const end = head.find(record_end, before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
      if (head.size() >= limits.head_bytes_max + record_end.size())
        return Error{Code::refused, "the head of a WARC record is too large", {}, {}};
      bytes = bytes.subspan(count);
      return ok();
    }
    bytes = bytes.subspan(end + record_end.size() - before);
    head.resize(end);
    IMPOUND_CHECK(parse_head(head, limits, member));
    head_done = true;
    block_left = member.block_bytes;
    return ok();
  }

  Result<void> finish() {
    if (!head_done || block_left > 0 || end_seen != record_end.size())
      return malformed("a WARC record that is cut off");
    member.block_sha256 = block_digest.finish();
    return ok();
  }
};

}  // namespace

std::optional<std::string_view> WarcMember::header(std::string_view name) const {
  for (auto const& [key, value] : headers)
    if (same_name(key, name)) return value;
  return std::nullopt;
}

struct WarcReader::State {
  DiskFile file;
  std::string path;
  WarcReadLimits limits;
  std::uint64_t offset = 0;
  std::array<std::byte, input_bytes> input{};

  Result<std::optional<WarcMember>> next(std::function<void(Bytes)> const& sink) {
    RecordWalk walk{limits, sink};
    walk.member.offset = offset;
    MemberInflater inflater;
    Sha256Stream digest;
    std::uint64_t at = offset;
    while (!inflater.ended()) {
      IMPOUND_TRY(count, file.read(at, input));
      if (count == 0 && at == offset) return std::optional<WarcMember>{};
      if (count == 0) return malformed("a gzip member that is cut off");
      IMPOUND_TRY(taken, inflater.add(Bytes{input}.first(count), [&](Bytes bytes) { return walk.add(bytes); }));
      digest.add(Bytes{input}.first(taken));
      at += taken;
    }
    IMPOUND_CHECK(walk.finish());
    walk.member.length = at - offset;
    walk.member.sha256 = digest.finish();
    offset = at;
    return std::optional<WarcMember>{std::move(walk.member)};
  }
};

WarcReader::WarcReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
WarcReader::~WarcReader() = default;

Result<std::unique_ptr<WarcReader>> WarcReader::open(Disk& vault, std::string_view path, WarcReadLimits const& limits) {
  IMPOUND_TRY(file, DiskFile::open(vault, path, Open::read));
  IMPOUND_TRY(facts, file.facts());
  if (facts.type != FileFacts::Type::file) return Error{Code::malformed, "not a regular file", std::string(path), {}};
  auto state = std::make_unique<State>();
  state->file = std::move(file);
  state->path = std::string(path);
  state->limits = limits;
  return std::unique_ptr<WarcReader>(new WarcReader(std::move(state)));
}

void WarcReader::seek(std::uint64_t offset) { state_->offset = offset; }

Result<std::optional<WarcMember>> WarcReader::next(std::function<void(Bytes)> const& sink) {
  auto member = state_->next(sink);
  if (member) return member;
  Error error = std::move(member).error();
  error.where =
      state_->path + " at byte " + std::to_string(state_->offset) + (error.where.empty() ? "" : ": " + error.where);
  return error;
}

}  // namespace impound::evidence
