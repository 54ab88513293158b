#include "fetchers/reading/worker/charset.h"

#include <iconv.h>
#include <uchardet/uchardet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::size_t meta_bytes_max = 4'096;  // HTML wants it within 1,024; pages do not
constexpr std::size_t block_bytes = 64u << 10;
constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

struct Encoding {
  char const* name;       // IANA's
  char const* converter;  // glibc's; the WHATWG standard reads some names as their larger kin
  char const* labels;     // of the WHATWG standard, between spaces
};

// ISO-2022-CN and its kin are left out: nobody uses them, and their converters had holes.
constexpr std::array encodings{
    Encoding{"UTF-8", "UTF-8", " utf-8 utf8 unicode-1-1-utf-8 us-ascii-utf8 "},
    Encoding{"UTF-16LE", "UTF-16LE", " utf-16le utf-16 ucs-2 unicode iso-10646-ucs-2 csunicode "},
    Encoding{"UTF-16BE", "UTF-16BE", " utf-16be unicodefffe "},
    Encoding{"UTF-32LE", "UTF-32LE", " utf-32le utf-32 ucs-4 "},
    Encoding{"UTF-32BE", "UTF-32BE", " utf-32be "},
    Encoding{"windows-1250", "CP1250", " windows-1250 cp1250 x-cp1250 "},
    Encoding{"windows-1251", "CP1251", " windows-1251 cp1251 x-cp1251 "},
    Encoding{"windows-1252", "CP1252",
             " windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso88591 latin1 l1 ascii us-ascii ansi_x3.4-1968 "},
    Encoding{"windows-1253", "CP1253", " windows-1253 cp1253 x-cp1253 "},
    Encoding{"windows-1254", "CP1254", " windows-1254 cp1254 x-cp1254 iso-8859-9 latin5 "},
    Encoding{"windows-1255", "CP1255", " windows-1255 cp1255 x-cp1255 "},
    Encoding{"windows-1256", "CP1256", " windows-1256 cp1256 x-cp1256 "},
    Encoding{"windows-1257", "CP1257", " windows-1257 cp1257 x-cp1257 "},
    Encoding{"windows-1258", "CP1258", " windows-1258 cp1258 x-cp1258 "},
    Encoding{"windows-874", "CP874", " windows-874 dos-874 tis-620 iso-8859-11 "},
    Encoding{"ISO-8859-2", "ISO-8859-2", " iso-8859-2 latin2 l2 "},
    Encoding{"ISO-8859-3", "ISO-8859-3", " iso-8859-3 latin3 "},
    Encoding{"ISO-8859-4", "ISO-8859-4", " iso-8859-4 latin4 "},
    Encoding{"ISO-8859-5", "ISO-8859-5", " iso-8859-5 cyrillic "},
    Encoding{"ISO-8859-6", "ISO-8859-6", " iso-8859-6 arabic "},
    Encoding{"ISO-8859-7", "ISO-8859-7", " iso-8859-7 greek "},
    Encoding{"ISO-8859-8", "ISO-8859-8", " iso-8859-8 hebrew iso-8859-8-i visual "},
    Encoding{"ISO-8859-10", "ISO-8859-10", " iso-8859-10 latin6 "},
    Encoding{"ISO-8859-13", "ISO-8859-13", " iso-8859-13 "},
    Encoding{"ISO-8859-14", "ISO-8859-14", " iso-8859-14 "},
    Encoding{"ISO-8859-15", "ISO-8859-15", " iso-8859-15 latin9 l9 "},
    Encoding{"ISO-8859-16", "ISO-8859-16", " iso-8859-16 "},
    Encoding{"KOI8-R", "KOI8-R", " koi8-r koi8 koi "},
    Encoding{"KOI8-U", "KOI8-U", " koi8-u koi8-ru "},
    Encoding{"IBM866", "IBM866", " ibm866 cp866 866 "},
    Encoding{"IBM855", "IBM855", " ibm855 cp855 "},
    Encoding{"macintosh", "MACINTOSH", " macintosh mac x-mac-roman "},
    Encoding{"x-mac-cyrillic", "MAC-CYRILLIC", " x-mac-cyrillic mac-cyrillic x-mac-ukrainian "},
    Encoding{"GB18030", "GB18030", " gb18030 gbk gb2312 gb_2312-80 x-gbk chinese euc-cn "},
    Encoding{"Big5", "BIG5-HKSCS", " big5 big5-hkscs cn-big5 x-x-big5 "},
    Encoding{"EUC-TW", "EUC-TW", " euc-tw "},
    Encoding{"EUC-JP", "EUC-JP", " euc-jp x-euc-jp "},
    Encoding{"ISO-2022-JP", "ISO-2022-JP", " iso-2022-jp csiso2022jp "},
    Encoding{"Shift_JIS", "CP932", " shift_jis shift-jis sjis x-sjis windows-31j ms_kanji cp932 "},
    Encoding{"EUC-KR", "CP949", " euc-kr ks_c_5601-1987 korean windows-949 cp949 uhc "},
    Encoding{"ISO-2022-KR", "ISO-2022-KR", " iso-2022-kr "},
};

struct CloseConverter {
  void operator()(void* converter) const { ::iconv_close(converter); }
};
using Converters = std::map<std::string, std::unique_ptr<void, CloseConverter>, std::less<>>;

Converters& converters() {
  static Converters loaded;
  return loaded;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'; }

/// The value behind the first `name`= in it.
std::string value_of(std::string_view text, std::string_view name) {
  auto const low = lowered(text);
  auto at = low.find(name);
  if (at == std::string::npos) return {};
  at += name.size();
  while (at < low.size() && blank(low[at])) ++at;
  if (at >= low.size() || low[at] != '=') return {};
  ++at;
  while (at < low.size() && (blank(low[at]) || low[at] == '"' || low[at] == '\'')) ++at;
  auto const end = low.find_first_of(" \t\r\n\f\"';,/>", at);
  return low.substr(at, std::min(end == std::string::npos ? low.size() - at : end - at, std::size_t{40}));
}

/// <meta charset=…> or <meta http-equiv=… content="…; charset=…"> near the beginning.
std::string charset_of_meta(std::string_view first) {
  std::string const low = lowered(first.substr(0, meta_bytes_max));
  for (auto at = low.find("<meta"); at != std::string::npos; at = low.find("<meta", at + 5)) {
    auto const end = std::min(low.find('>', at), low.size());
    auto value = value_of(std::string_view(low).substr(at, end - at), "charset");
    if (!value.empty()) return value;
  }
  return {};
}

/// <?xml version="1.0" encoding="…"?>
std::string charset_of_declaration(std::string_view first) {
  if (!first.starts_with("<?xml")) return {};
  return value_of(first.substr(0, std::min(first.find('>'), meta_bytes_max)), "encoding");
}

std::string charset_of_mark(std::string_view first) {
  if (first.starts_with(std::string_view("\xff\xfe\0\0", 4))) return "UTF-32LE";
  if (first.starts_with(std::string_view("\0\0\xfe\xff", 4))) return "UTF-32BE";
  if (first.starts_with("\xef\xbb\xbf")) return "UTF-8";
  if (first.starts_with("\xff\xfe")) return "UTF-16LE";
  if (first.starts_with("\xfe\xff")) return "UTF-16BE";
  return {};
}

/// UTF-16 of mostly ASCII without a mark: every other byte is 0. "" when it is not that.
std::string wide_by_zeros(std::string_view first) {
  std::array<std::size_t, 2> zeros{};
  std::size_t const pairs = first.size() / 2;
  if (pairs < 4) return {};
  for (std::size_t i = 0; i < 2 * pairs; ++i)
    if (first[i] == '\0') ++zeros[i % 2];
  if (zeros[1] * 10 > pairs * 7 && zeros[0] * 10 < pairs) return "UTF-16LE";
  if (zeros[0] * 10 > pairs * 7 && zeros[1] * 10 < pairs) return "UTF-16BE";
  return {};
}

/// Valid UTF-8 but for a character cut at the end.
bool is_utf8_so_far(std::string_view text) {
  std::size_t const tail = std::min<std::size_t>(text.size(), 3);
  for (std::size_t cut = 0; cut <= tail; ++cut) {
    auto const body = text.substr(0, text.size() - cut);
    std::size_t i = 0;
    bool good = true;
    while (i < body.size() && good) {
      auto const c = static_cast<unsigned char>(body[i]);
      std::size_t const more = c < 0x80                ? 0
                               : c >= 0xc2 && c < 0xe0 ? 1
                               : c >= 0xe0 && c < 0xf0 ? 2
                               : c >= 0xf0 && c < 0xf5 ? 3
                                                       : 9;
      good = more < 9 && i + more < body.size();
      for (std::size_t k = 1; good && k <= more; ++k) good = (static_cast<unsigned char>(body[i + k]) & 0xc0) == 0x80;
      i += more + 1;
    }
    if (good) return true;
    if (i < body.size()) return false;  // wrong well before the end: cutting there changes nothing
  }
  return false;
}

std::string guessed(std::string_view first) {
  std::unique_ptr<std::remove_pointer_t<uchardet_t>, void (*)(uchardet_t)> const detector{::uchardet_new(),
                                                                                          &::uchardet_delete};
  if (!detector || ::uchardet_handle_data(detector.get(), first.data(), first.size()) != 0) return {};
  ::uchardet_data_end(detector.get());
  return charset_named(::uchardet_get_charset(detector.get()));
}

bool is_wide(std::string_view charset) { return charset.starts_with("UTF-16") || charset.starts_with("UTF-32"); }

}  // namespace

std::size_t load_charsets() {
  if (converters().empty())
    for (Encoding const& one : encodings) {
      iconv_t const made = ::iconv_open("UTF-8", one.converter);
      if (made != reinterpret_cast<iconv_t>(-1)) converters()[one.name].reset(made);
    }
  return converters().size();
}

std::string charset_named(std::string_view label) {
  while (!label.empty() && blank(label.front())) label.remove_prefix(1);
  while (!label.empty() && blank(label.back())) label.remove_suffix(1);
  if (label.empty() || label.size() > 40 || label.find(' ') != std::string_view::npos) return {};
  std::string wanted{" "};
  wanted.append(lowered(label)) += ' ';
  for (Encoding const& one : encodings)
    if (std::string_view(one.labels).find(wanted) != std::string_view::npos) return one.name;
  return {};
}

std::string charset_of_field(std::string_view content_type) {
  auto const parameters = content_type.find(';');
  return parameters == std::string_view::npos ? std::string{}
                                              : value_of(content_type.substr(parameters + 1), "charset");
}

bool holds_ascii(std::string_view charset) { return !is_wide(charset) && !charset.starts_with("ISO-2022"); }

ChosenCharset choose_charset(std::string_view first, std::string_view content_type, bool html) {
  if (auto name = charset_of_mark(first); !name.empty()) return {std::move(name), "bom"};
  std::string const wide = wide_by_zeros(first);
  // A page of one-byte characters that says it is UTF-16, or the other way round, would hide what it holds.
  auto const believable = [&](std::string const& name) {
    return !name.empty() && is_wide(name) == (!wide.empty() || (is_wide(name) && first.find('\0') != first.npos));
  };
  if (auto name = charset_named(charset_of_field(content_type)); believable(name)) return {std::move(name), "field"};
  if (!wide.empty()) return {wide, "bytes"};
  if (html)
    if (auto name = charset_named(charset_of_meta(first)); believable(name)) return {std::move(name), "meta"};
  if (auto name = charset_named(charset_of_declaration(first)); believable(name)) return {std::move(name), "xml"};
  if (is_utf8_so_far(first)) return {"UTF-8", "bytes"};
  if (auto name = guessed(first); !name.empty() && !is_wide(name)) return {std::move(name), "guess"};
  return {"windows-1252", "guess"};
}

ToUtf8::ToUtf8(std::string const& charset, PartSink sink) : sink_(std::move(sink)) {
  load_charsets();
  auto found = converters().find(charset);
  if (found == converters().end()) found = converters().find("UTF-8");
  if (found != converters().end()) converter_ = found->second.get();
  unit_ = charset.starts_with("UTF-16") ? 2 : charset.starts_with("UTF-32") ? 4 : 1;
  if (converter_ != nullptr) ::iconv(converter_, nullptr, nullptr, nullptr, nullptr);
}

Result<void> ToUtf8::write(std::string_view bytes) {
  if (converter_ == nullptr) return Error{Code::io, "no converter of character encodings", {}, {}};
  while (!bytes.empty()) {
    if (rest_.empty()) {
      auto part = bytes.substr(0, block_bytes);
      bytes.remove_prefix(part.size());
      IMPOUND_CHECK(convert(part, false));
      rest_ = std::string(part);
    } else {
      // A character that was cut is whole with a few bytes more.
      std::size_t const more = std::min<std::size_t>(bytes.size(), 64);
      std::string joined = std::exchange(rest_, {});
      joined += bytes.substr(0, more);
      bytes.remove_prefix(more);
      std::string_view part = joined;
      IMPOUND_CHECK(convert(part, false));
      rest_ = std::string(part);
    }
  }
  return ok();
}

Result<void> ToUtf8::finish() {
  if (converter_ == nullptr) return ok();
  std::string const rest = std::exchange(rest_, {});
  std::string_view part = rest;
  IMPOUND_CHECK(convert(part, true));
  ::iconv(converter_, nullptr, nullptr, nullptr, nullptr);
  return ok();
}

/// Converts what is whole of it; what is left of `bytes` is the beginning of a character. `last`: nothing is left.
Result<void> ToUtf8::convert(std::string_view& bytes, bool last) {
  std::array<char, block_bytes> out;
  while (!bytes.empty()) {
    char* from = const_cast<char*>(bytes.data());  // iconv reads it only
    std::size_t left = bytes.size();
    char* into = out.data();
    std::size_t room = out.size() - replacement.size();
    std::size_t const said = ::iconv(converter_, &from, &left, &into, &room);
    int const number = errno;
    bytes.remove_prefix(bytes.size() - left);
    bool const incomplete = said == static_cast<std::size_t>(-1) && number == EINVAL;
    if (said == static_cast<std::size_t>(-1) && (number == EILSEQ || (incomplete && (last || left > 16)))) {
      bytes.remove_prefix(std::min(unit_, bytes.size()));
      into = std::copy(replacement.begin(), replacement.end(), into);
      ++replaced_;
    }
    std::string_view text{out.data(), static_cast<std::size_t>(into - out.data())};
    if (!begun_ && text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the mark is no text
    begun_ = begun_ || into != out.data();
    if (!text.empty()) IMPOUND_CHECK(sink_(text));
    if (incomplete && !last && left <= 16) return ok();
  }
  return ok();
}

}  // namespace impound::fetchers
