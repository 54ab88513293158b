// The scanner over a text that comes in parts of any size: what scan() would find in the whole of it, in bounded
// memory.
//
// Each part is scanned with one overlap behind and before it, and a reference is told where it begins. One reference is
// at most about 16 KiB, so none is cut. Offsets are bytes of the whole text. One thread.
#pragma once

#include <functional>

#include "fetchers/references/scanner.h"

namespace impound::fetchers {

class ScanInParts {
 public:
  using Tell = std::function<void(Reference)>;
  /// `limits.references_max` holds for each part of 4 MiB.
  ScanInParts(ScanLimits const& limits, Tell tell) : limits_(limits), tell_(std::move(tell)) {}

  void write(std::string_view text);
  /// The text ends here.
  void finish();

 private:
  void scan_buffer(std::size_t end);

  ScanLimits limits_;
  Tell tell_;
  std::string buffer_;
  std::size_t base_ = 0;   // of the buffer's first byte in the text
  std::size_t begin_ = 0;  // references that start before it in the buffer were told with the part before
};

}  // namespace impound::fetchers
