// An HTML page as the text that a reader sees, with its links: character references resolved, tags gone, and each
// attribute that may lead somewhere as a line of its own, `href="…"`, so that the rules for references meet it.
//
// By libxml2's push parser, which builds no tree: memory stays at one piece of text and the open elements, whose number
// is bounded. What a browser would make of broken markup is guessed, not promised: whoever looks for references looks
// at the page's own bytes as well. Text in is UTF-8. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fetchers/reading/worker/content_decoding.h"

namespace impound::fetchers {

struct HtmlLimits {
  std::uint64_t bytes_max = 16u << 20;       // of the page; what comes behind is not parsed
  int depth_max = 1'000;                     // open elements
  std::size_t attribute_bytes_max = 20'000;  // a longer value is passed over
};

class HtmlText {
 public:
  HtmlText(HtmlLimits const& limits, PartSink sink);
  ~HtmlText();

  /// Code::refused at a limit, or the sink's error; from then on the same.
  Result<void> write(std::string_view text);
  Result<void> finish();
  /// The href of the first <base>, "" where there is none; at most 2,048 bytes.
  std::string const& base() const;

  /// The parser's own state; private to the .cpp.
  struct Parser;

 private:
  std::unique_ptr<Parser> parser_;
};

}  // namespace impound::fetchers
