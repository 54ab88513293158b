#include "evidence/warc/logged_warcs.h"

#include <algorithm>
#include <optional>

#include "evidence/erased_entry.h"
#include "evidence/warc/closing.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

void LoggedWarcs::take(ReadEntry const& entry) {
  if (entry.kind() == "capture.result") {
    auto const records = entry.body().find("records");
    if (records == entry.body().end() || !records->is_array()) return;
    for (Json const& json : *records) {
      auto const record = written_record_from(json);
      if (!record) continue;  // verify names it
      LoggedWarc& file = files_[record.value().file];
      file.end = std::max(file.end, record.value().offset + record.value().length);
      ++file.records;
    }
  } else if (entry.kind() == "exhibit.erased") {
    auto const erased = erased_exhibit_from(entry);
    if (!erased) return;
    // Until that is done they are no stray bytes, also when the capture that named them is blank.
    for (ErasedRecord const& record : erased.value().records) {
      LoggedWarc& file = files_[record.file];
      file.end = std::max(file.end, record.offset + record.length);
      file.rewritten = true;
    }
  } else if (entry.kind() == "warc.closed") {
    if (auto const closed = closed_warc_from(entry)) files_[closed.value().file].closed = true;
  }
}

LoggedWarc LoggedWarcs::of(std::string_view file) const {
  auto const found = files_.find(file);
  return found == files_.end() ? LoggedWarc{} : found->second;
}

}  // namespace impound::evidence
