// What the log says of the vault's WARC files, gathered while it is read once in order: where the last named record of
// each ends, whether it is closed. About 150 bytes a file. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "evidence/custody_entry.h"

namespace impound::evidence {

struct LoggedWarc {
  std::uint64_t end = 0;  // of its last named record, as written
  std::uint64_t records = 0;
  bool closed = false;     // warc.closed names it
  bool rewritten = false;  // an erasure cuts records out of it, and closes it
};

class LoggedWarcs {
 public:
  /// Takes one entry, in the log's order; of those that say nothing about WARC files nothing is kept.
  void take(ReadEntry const& entry);
  /// Of a file ("warc/…") that no entry names, all is 0.
  LoggedWarc of(std::string_view file) const;
  std::map<std::string, LoggedWarc, std::less<>> const& files() const { return files_; }

 private:
  std::map<std::string, LoggedWarc, std::less<>> files_;
};

}  // namespace impound::evidence
