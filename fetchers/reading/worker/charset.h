// Text in whatever character encoding becomes UTF-8, in parts: the encoding is taken from the byte order mark, the
// Content-Type field, an HTML page's meta element (WHATWG Encoding and HTML standards, their order), an XML declaration
// (XML 1.0 §4.3.3), else from the bytes themselves: UTF-8 where they are that, then uchardet's guess, then
// windows-1252.
//
// A declaration is a stranger's word: where the first 64 KiB say plainly that it is another width (UTF-16 or not), the
// bytes win. What is malformed becomes U+FFFD and is counted. glibc loads a converter from a file, so load_charsets()
// must run before the sandbox; what it did not load is not known afterwards. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetchers/reading/worker/content_decoding.h"

namespace impound::fetchers {

/// Loads every converter, once. How many there are.
std::size_t load_charsets();

/// The encoding's name as IANA has it for a label of the WHATWG Encoding standard; "" for one that is not known.
std::string charset_named(std::string_view label);

/// The value of charset= in a Content-Type field, "" where there is none.
std::string charset_of_field(std::string_view content_type);

struct ChosenCharset {
  std::string name;       // "UTF-8"
  char const* from = "";  // "bom", "field", "meta", "xml", "bytes", "guess"
};

/// `first`: the text's first bytes, some KiB. `html`: a meta element may name it.
ChosenCharset choose_charset(std::string_view first, std::string_view content_type, bool html);

/// ASCII stands in it as ASCII does: whoever looks for ASCII need not convert it.
bool holds_ascii(std::string_view charset);

class ToUtf8 {
 public:
  ToUtf8(std::string const& charset, PartSink sink);

  Result<void> write(std::string_view bytes);
  Result<void> finish();
  std::uint64_t replaced() const { return replaced_; }

 private:
  Result<void> convert(std::string_view& bytes, bool last);

  void* converter_ = nullptr;  // iconv_t, owned by the table of load_charsets()
  std::size_t unit_ = 1;
  PartSink sink_;
  std::string rest_;  // of a character that has come in part
  bool begun_ = false;
  std::uint64_t replaced_ = 0;
};

}  // namespace impound::fetchers
