#include "evidence/formats/canonical_json.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "evidence/formats/utf8.h"

namespace impound {

namespace {

Error malformed(std::string what) { return Error{Code::malformed, "not canonical JSON: " + std::move(what), {}, {}}; }

/// RFC 8785 §3.2.3 orders keys by UTF-16 code units, which differs from the order of UTF-8 bytes above U+FFFF.
std::u16string utf16(std::string_view text) {
  std::u16string units;
  for (std::size_t at = 0; at < text.size();) {
    auto const [bytes, point] = first_character(text.substr(at));
    if (bytes == 0) break;  // checked before
    at += bytes;
    if (point >= 0x10000) {
      units.push_back(static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10)));
      units.push_back(static_cast<char16_t>(0xdc00 + ((point - 0x10000) & 0x3ff)));
    } else {
      units.push_back(static_cast<char16_t>(point));
    }
  }
  return units;
}

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class Writer {
 public:
  Result<void> value(Json const& value, std::size_t depth) {
    switch (value.type()) {
      case Json::value_t::object: return object(value, depth + 1);
      case Json::value_t::array: return array(value, depth + 1);
      case Json::value_t::string: return text(value.get_ref<std::string const&>());
      case Json::value_t::boolean: out_ += value.get<bool>() ? "true" : "false"; return ok();
      case Json::value_t::number_integer: return integer(value.get<std::int64_t>());
      case Json::value_t::number_unsigned: {
        auto const number = value.get<std::uint64_t>();
        if (number > static_cast<std::uint64_t>(json_integer_max)) return malformed("an integer beyond 2^53-1");
        return integer(static_cast<std::int64_t>(number));
      }
      case Json::value_t::number_float: return malformed("a number that is no integer");
      case Json::value_t::null: return malformed("null (absent means absent)");
      default: return malformed("a value that JSON does not have");
    }
  }
  std::string take() { return std::move(out_); }

 private:
  Result<void> integer(std::int64_t number) {
    if (number > json_integer_max || number < -json_integer_max) return malformed("an integer beyond ±(2^53-1)");
    out_ += std::to_string(number);
    return ok();
  }

  Result<void> text(std::string const& text) {
    if (text.empty()) return malformed("an empty string (absent means absent)");
    if (!is_utf8(text)) return malformed("a string that is not UTF-8");
    static constexpr char digits[] = "0123456789abcdef";
    out_ += '"';
    for (char const c : text) {
      switch (c) {
        case '"': out_ += "\\\""; break;
        case '\\': out_ += "\\\\"; break;
        case '\b': out_ += "\\b"; break;
        case '\f': out_ += "\\f"; break;
        case '\n': out_ += "\\n"; break;
        case '\r': out_ += "\\r"; break;
        case '\t': out_ += "\\t"; break;
        default:
          if (static_cast<unsigned char>(c) < 0x20) {
            out_ += "\\u00";
            out_ += digits[static_cast<unsigned char>(c) >> 4];
            out_ += digits[static_cast<unsigned char>(c) & 15];
          } else {
            out_ += c;
          }
      }
    }
    out_ += '"';
    return ok();
  }

  Result<void> array(Json const& list, std::size_t depth) {
    if (depth > json_depth_max) return malformed("nested too deep");
    out_ += '[';
    bool first = true;
    for (Json const& item : list) {
      if (!std::exchange(first, false)) out_ += ',';
      IMPOUND_CHECK(value(item, depth));
    }
    out_ += ']';
    return ok();
  }

  Result<void> object(Json const& object, std::size_t depth) {
    if (depth > json_depth_max) return malformed("nested too deep");
    std::vector<std::pair<std::string const*, Json const*>> members;
    bool plain = true;
    for (auto item = object.begin(); item != object.end(); ++item) {
      if (!is_utf8(item.key())) return malformed("a key that is not UTF-8");
      plain = plain && ascii(item.key());
      members.emplace_back(&item.key(), &item.value());
    }
    std::sort(members.begin(), members.end(), [plain](auto const& a, auto const& b) {
      return plain ? *a.first < *b.first : utf16(*a.first) < utf16(*b.first);
    });
    out_ += '{';
    bool first = true;
    for (auto const& [key, member] : members) {
      if (!std::exchange(first, false)) out_ += ',';
      IMPOUND_CHECK(text(*key));
      out_ += ':';
      IMPOUND_CHECK(value(*member, depth));
    }
    out_ += '}';
    return ok();
  }

  std::string out_;
};

/// True when brackets outside strings never nest deeper than allowed: seen before the parser builds anything.
bool shallow(std::string_view bytes) {
  std::size_t depth = 0;
  bool inside_text = false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char const c = bytes[i];
    if (inside_text) {
      if (c == '\\') ++i;
      if (c == '"') inside_text = false;
    } else if (c == '"') {
      inside_text = true;
    } else if (c == '{' || c == '[') {
      if (++depth > json_depth_max) return false;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const bytes = first_character(text.substr(at)).bytes;
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

Result<std::string> canonical(Json const& value) {
  Writer writer;
  IMPOUND_CHECK(writer.value(value, 0));
  return writer.take();
}

Result<Json> read_canonical(std::string_view bytes) {
  if (!shallow(bytes)) return malformed("nested too deep");
  Json value = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (value.is_discarded()) return malformed("no JSON");
  IMPOUND_TRY(again, canonical(value));
  if (again != bytes) return malformed("spelled in another way than RFC 8785 has it");
  return value;
}

Json json_number(std::uint64_t number) {
  if (number <= static_cast<std::uint64_t>(json_integer_max)) return Json(number);
  return Json(std::to_string(number));
}

}  // namespace impound
