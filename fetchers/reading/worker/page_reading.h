// One page, from its body's bytes to what it holds: content coding undone, kind and character encoding found,
// references scanned in the body, in its text and in what its HTML shows, and, where it is asked for, read as a site's
// list.
//
// Streaming: memory is bounded by a few buffers whatever the body holds, a list aside, which is bounded in bytes and
// values. Each thing that is not read, or not to its end, is a refusal by name, and the rest goes on: what a broken
// coding hides is not scanned, what came before it is. One thread, one page an object.
#pragma once

#include <memory>

#include "fetchers/reading/reader_messages.h"

namespace impound::fetchers {

class PageReading {
 public:
  using Tell = std::function<void(FoundReference)>;
  /// References are told as they are found. Load charsets and media types before (charset.h, media_type.h).
  PageReading(ReadPage const& wanted, Tell tell);
  ~PageReading();

  /// False: nothing more need be written, only finish() called.
  bool write(std::string_view bytes);
  /// What was found; the list with its items, `found` empty.
  PageFacts finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace impound::fetchers
