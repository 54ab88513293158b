#include "evidence/verify/lean_entry.h"

#include <cstring>
#include <limits>

#include "evidence/formats/canonical_json.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/values/case_name.h"

namespace impound::evidence {

namespace {

constexpr std::size_t id_characters = 36;
constexpr std::size_t salt_characters = 32;

/// Bytes that stand in a string for themselves.
constexpr auto plain_bytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

/// The value of a lowercase hex digit, 16 for anything else.
constexpr auto digit_values = [] {
  std::array<unsigned char, 256> values{};
  for (auto& value : values) value = 16;
  for (unsigned i = 0; i < 16; ++i)
    values[static_cast<unsigned char>("0123456789abcdef"[i])] = static_cast<unsigned char>(i);
  return values;
}();

unsigned digit(char c) { return digit_values[static_cast<unsigned char>(c)]; }

/// Canonical JSON (formats/canonical_json.h), one step at a time; false means: not for us.
class Scanner {
 public:
  explicit Scanner(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool ended() const { return at_ == end_; }
  /// A literal: its length is known where it is compared.
  template <std::size_t n>
  bool take(char const (&text)[n]) {
    if (static_cast<std::size_t>(end_ - at_) < n - 1 || std::memcmp(at_, text, n - 1) != 0) return false;
    at_ += n - 1;
    return true;
  }
  /// A fixed number of bytes, whatever they are; empty when there are not so many.
  std::string_view next(std::size_t count) {
    if (static_cast<std::size_t>(end_ - at_) < count) return {};
    std::string_view const bytes(at_, count);
    at_ += count;
    return bytes;
  }

  /// A string that is not empty; `raw` is what stands between the quotes.
  bool text(std::string_view& raw) {
    if (!take("\"")) return false;
    char const* const start = at_;
    bool ascii = true;
    for (;;) {
      while (at_ != end_ && plain_bytes[static_cast<unsigned char>(*at_)]) ++at_;
      if (at_ == end_) return false;
      if (*at_ == '"') break;
      if (*at_ == '\\') {
        if (!escape()) return false;
      } else if (static_cast<unsigned char>(*at_) >= 0x80) {
        ascii = false;
        ++at_;
      } else {
        return false;
      }
    }
    raw = std::string_view(start, static_cast<std::size_t>(at_ - start));
    ++at_;
    return !raw.empty() && (ascii || is_utf8(raw));
  }

  bool natural(std::uint64_t& number) {
    char const* const start = at_;
    std::uint64_t value = 0;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9' && at_ - start <= 16)
      value = value * 10 + static_cast<std::uint64_t>(*at_++ - '0');
    if (at_ == start || (*start == '0' && at_ - start > 1)) return false;
    number = value;
    return value <= static_cast<std::uint64_t>(json_integer_max);
  }

  /// Any value; `depth` is that of what encloses it.
  bool value(std::size_t depth) {
    if (at_ == end_) return false;
    std::string_view unused;
    std::uint64_t number = 0;
    switch (*at_) {
      case '"': return text(unused);
      case '{': return members(depth + 1, [this](std::string_view, std::size_t inner) { return value(inner); });
      case '[': return list(depth + 1);
      case 't': return take("true");
      case 'f': return take("false");
      case '-': ++at_; return natural(number) && number != 0;
      default: return natural(number);
    }
  }

  /// An object; `member` takes the value behind each key, and the keys stand in order.
  template <class Member>
  bool members(std::size_t depth, Member const& member) {
    if (depth > json_depth_max || !take("{")) return false;
    if (take("}")) return true;
    std::string_view before;
    do {
      std::string_view key;
      // Keys with escapes or beyond ASCII are ordered by UTF-16: left to the other reader.
      if (!text(key) || key <= before || !plain(key) || !take(":") || !member(key, depth)) return false;
      before = key;
    } while (take(","));
    return take("}");
  }

 private:
  bool list(std::size_t depth) {
    if (depth > json_depth_max || !take("[")) return false;
    if (take("]")) return true;
    do
      if (!value(depth)) return false;
    while (take(","));
    return take("]");
  }

  /// The shortest spelling only, as RFC 8785 has it.
  bool escape() {
    if (end_ - at_ < 2) return false;
    switch (at_[1]) {
      case '"':
      case '\\':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't': at_ += 2; return true;
      default: break;
    }
    if (end_ - at_ < 6 || std::string_view(at_, 4) != "\\u00") return false;
    unsigned const code = digit(at_[4]) * 16 + digit(at_[5]);
    bool const has_a_shorter_one = code == 8 || code == 9 || code == 10 || code == 12 || code == 13;
    if (digit(at_[4]) > 1 || digit(at_[5]) > 15 || has_a_shorter_one) return false;
    at_ += 6;
    return true;
  }

  static bool plain(std::string_view key) {
    for (char const c : key)
      if (!plain_bytes[static_cast<unsigned char>(c)]) return false;
    return true;
  }

  char const* at_;
  char const* end_;
};

bool two_digits(std::string_view text, std::size_t at, unsigned from, unsigned to) {
  unsigned const tens = digit(text[at]);
  unsigned const ones = digit(text[at + 1]);
  return tens < 10 && ones < 10 && tens * 10 + ones >= from && tens * 10 + ones <= to;
}

/// "2017-05-05T18:59:12.345678Z", the one spelling that entries are written with.
bool is_utc(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd.ddddddZ";
  if (text.size() != shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == 'd' ? digit(text[i]) > 9 : text[i] != shape[i]) return false;
  // 29 to 31 of a month are left to the other reader, which knows the calendar.
  return text >= "1970" && two_digits(text, 5, 1, 12) && two_digits(text, 8, 1, 28) && two_digits(text, 11, 0, 23) &&
         two_digits(text, 14, 0, 59) && two_digits(text, 17, 0, 59);
}

/// word.word, lowercase.
bool is_kind(std::string_view kind) {
  std::size_t const dot = kind.find('.');
  if (kind.size() > 64 || dot == 0 || dot == std::string_view::npos || dot + 1 == kind.size()) return false;
  for (std::size_t i = 0; i < kind.size(); ++i)
    if (i != dot && kind[i] != '_' && (kind[i] < 'a' || kind[i] > 'z')) return false;
  return true;
}

/// `"` and an id and `"`.
bool id_text(Scanner& scanner, IdBytes& id) {
  if (!scanner.take("\"")) return false;
  auto const found = read_id_bytes(scanner.next(id_characters));
  if (!found) return false;
  id = *found;
  return scanner.take("\"");
}

bool by(Scanner& scanner) {
  std::string_view unused;
  std::uint64_t uid = 0;
  if (scanner.take("\"login\":") && !(scanner.text(unused) && scanner.take(","))) return false;
  if (scanner.take("\"operator\":") && !(scanner.text(unused) && scanner.take(","))) return false;
  return scanner.take("\"uid\":") && scanner.natural(uid) && uid <= std::numeric_limits<std::uint32_t>::max() &&
         scanner.take("}");
}

bool time(Scanner& scanner) {
  std::string_view boot_id;
  std::string_view utc;
  std::uint64_t boot_us = 0;
  return scanner.take("{\"boot_id\":") && scanner.text(boot_id) && scanner.take(",\"boot_us\":") &&
         scanner.natural(boot_us) && scanner.take(",\"clock\":") &&
         (scanner.take("\"synchronised\"") || scanner.take("\"unsynchronised\"")) && scanner.take(",\"utc\":") &&
         scanner.text(utc) && is_utc(utc) && scanner.take("}");
}

bool salt(std::string_view text) {
  for (char const c : text)
    if (digit(c) > 15) return false;
  return text.size() == salt_characters;
}

/// The body, an object at depth 2, with the two fields that exhibits are judged by.
bool body(Scanner& scanner, LeanEntry& entry) {
  return scanner.members(2, [&](std::string_view key, std::size_t depth) {
    if (key == "size") {
      std::uint64_t size = 0;
      if (!scanner.natural(size)) return false;
      entry.size = size;
      return true;
    }
    return key == "sha256" ? scanner.text(entry.sha256) : scanner.value(depth);
  });
}

}  // namespace

std::optional<IdBytes> read_id_bytes(std::string_view text) {
  if (text.size() != id_characters || text[14] != '7') return std::nullopt;
  IdBytes id{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < id_characters;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return std::nullopt;
      continue;
    }
    unsigned const high = digit(text[i]);
    unsigned const low = digit(text[i + 1]);
    if (high > 15 || low > 15) return std::nullopt;
    id[at++] = static_cast<std::byte>(high * 16 + low);
    i += 2;
  }
  return id;
}

std::optional<LeanEntry> read_lean_entry(std::string_view bytes) {
  if (bytes.size() > entry_bytes_max) return std::nullopt;
  Scanner scanner(bytes);
  LeanEntry entry;
  std::string_view name;
  IdBytes id{};
  // Canonical JSON has one order of keys, so the envelope is one line of text with gaps.
  if (!scanner.take("{\"body\":") || !body(scanner, entry)) return std::nullopt;
  if (scanner.take(",\"by\":{") && !by(scanner)) return std::nullopt;
  if (scanner.take(",\"case\":") && !(scanner.text(name) && CaseName::parse(name))) return std::nullopt;
  if (scanner.take(",\"cause\":")) {
    if (!id_text(scanner, id)) return std::nullopt;
    entry.cause = id;
  }
  if (!scanner.take(",\"id\":") || !id_text(scanner, entry.id)) return std::nullopt;
  if (!scanner.take(",\"kind\":") || !scanner.text(entry.kind) || !is_kind(entry.kind)) return std::nullopt;
  if (scanner.take(",\"of\":")) {
    if (!id_text(scanner, id)) return std::nullopt;
    entry.of = id;
  }
  if (!scanner.take(",\"salt\":\"") || !salt(scanner.next(salt_characters)) || !scanner.take("\",\"session\":"))
    return std::nullopt;
  if (!id_text(scanner, entry.session) || !scanner.take(",\"time\":") || !time(scanner)) return std::nullopt;
  if (!scanner.take(",\"v\":1}") || !scanner.ended()) return std::nullopt;
  return entry;
}

}  // namespace impound::evidence
