#include "fetchers/torrents/bencode.h"

#include <charconv>
#include <limits>

namespace impound::fetchers {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Error malformed(char const* what, std::size_t at) {
  return Error{Code::malformed, std::string{"damaged bencode: "} + what, "byte " + std::to_string(at), {}};
}

}  // namespace

/// The state of one pass over the bytes: what is open, innermost last.
struct BencodeOutline::Reading {
  struct Open {
    std::uint32_t token;
    bool dict;
    bool wants_key;  // in a dict: the next value must be a key
  };

  std::string_view bytes;
  std::size_t depth_max;
  std::size_t tokens_max;
  std::vector<Token> tokens{};
  std::vector<Open> open{};
  std::size_t at = 0;

  Result<void> integer() {
    std::size_t const begin = at++;
    bool const minus = at < bytes.size() && bytes[at] == '-';
    if (minus) ++at;
    std::size_t const digits = at;
    while (at < bytes.size() && is_digit(bytes[at])) ++at;
    if (at == digits) return malformed("an integer without digits", begin);
    if (bytes[digits] == '0' && (minus || at - digits > 1)) return malformed("an integer with a needless zero", begin);
    if (at == bytes.size() || bytes[at] != 'e') return malformed("an integer without end", begin);
    ++at;
    return ok();
  }

  Result<void> string() {
    std::size_t const begin = at;
    while (at < bytes.size() && is_digit(bytes[at])) ++at;
    if (at == bytes.size() || bytes[at] != ':') return malformed("a string's length without ':'", begin);
    if (bytes[begin] == '0' && at - begin > 1) return malformed("a string's length with a needless zero", begin);
    std::uint64_t length = 0;
    auto const parsed = std::from_chars(bytes.data() + begin, bytes.data() + at, length);
    ++at;
    if (parsed.ec != std::errc{} || length > bytes.size() - at)
      return malformed("a string longer than the file", begin);
    at += length;
    return ok();
  }

  Result<void> begin_value() {
    char const kind = bytes[at];
    if (!open.empty() && open.back().dict && open.back().wants_key && !is_digit(kind)) {
      return malformed("a key that is no string", at);
    }
    if (tokens.size() == tokens_max) return Error{Code::refused, "bencode with more values than the limit", {}, {}};
    auto const token = static_cast<std::uint32_t>(tokens.size());
    tokens.push_back({static_cast<std::uint32_t>(at), 0, 0, 0});
    if (kind == 'l' || kind == 'd') {
      if (open.size() == depth_max) return Error{Code::refused, "bencode nested deeper than the limit", {}, {}};
      open.push_back({token, kind == 'd', true});
      ++at;
      return ok();
    }
    if (kind == 'i') {
      IMPOUND_CHECK(integer());
    } else if (is_digit(kind)) {
      IMPOUND_CHECK(string());
    } else {
      return malformed("an unknown kind of value", at);
    }
    end_value(token);
    return ok();
  }

  void end_value(std::uint32_t token) {
    tokens[token].end = static_cast<std::uint32_t>(at);
    tokens[token].after = static_cast<std::uint32_t>(tokens.size());
    if (!open.empty()) open.back().wants_key = !open.back().wants_key;
  }

  Result<void> end_container() {
    Open const closing = open.back();
    if (closing.dict && !closing.wants_key) return malformed("a key without a value", at);
    ++at;
    open.pop_back();
    end_value(closing.token);
    // Children learn where their container ends, so that next() stops there.
    auto const end = static_cast<std::uint32_t>(tokens.size());
    for (std::uint32_t child = closing.token + 1; child < end; child = tokens[child].after)
      tokens[child].parent_end = end;
    return ok();
  }
};

Result<BencodeOutline> BencodeOutline::read(std::string_view bytes, std::size_t depth_max, std::size_t tokens_max,
                                            bool trailing) {
  if (bytes.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Error{Code::refused, "bencode larger than 4 GiB", {}, {}};
  }
  Reading reading{bytes, depth_max, tokens_max};
  do {
    if (reading.at >= bytes.size()) return malformed("cut off", reading.at);
    if (bytes[reading.at] == 'e' && !reading.open.empty()) {
      IMPOUND_CHECK(reading.end_container());
    } else {
      IMPOUND_CHECK(reading.begin_value());
    }
  } while (!reading.open.empty());
  if (!trailing && reading.at != bytes.size()) return malformed("bytes behind the end", reading.at);
  BencodeOutline outline;
  outline.bytes_ = bytes;
  outline.tokens_ = std::move(reading.tokens);
  return outline;
}

char BencodeValue::kind() const { return outline_->bytes_[outline_->tokens_[token_].begin]; }

std::string_view BencodeValue::raw() const {
  auto const& token = outline_->tokens_[token_];
  return outline_->bytes_.substr(token.begin, token.end - token.begin);
}

std::string_view BencodeValue::text() const {
  if (!is_text()) return {};
  auto const all = raw();
  return all.substr(all.find(':') + 1);
}

std::optional<std::int64_t> BencodeValue::integer() const {
  if (!is_integer()) return std::nullopt;
  auto const all = raw();
  std::int64_t value = 0;
  auto const parsed = std::from_chars(all.data() + 1, all.data() + all.size() - 1, value);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return value;
}

std::optional<BencodeValue> BencodeValue::first() const {
  if (!is_list() && !is_dict()) return std::nullopt;
  if (outline_->tokens_[token_].after == token_ + 1) return std::nullopt;
  return BencodeValue{*outline_, token_ + 1};
}

std::optional<BencodeValue> BencodeValue::next() const {
  auto const& token = outline_->tokens_[token_];
  if (token.after >= token.parent_end) return std::nullopt;
  return BencodeValue{*outline_, token.after};
}

std::optional<BencodeValue> BencodeValue::find(std::string_view key) const {
  if (!is_dict()) return std::nullopt;
  for (auto name = first(); name;) {
    auto const value = name->next();
    if (name->text() == key) return value;
    name = value->next();
  }
  return std::nullopt;
}

}  // namespace impound::fetchers
