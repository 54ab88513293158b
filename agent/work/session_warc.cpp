// The session's WARC files: opened when they are asked for, closed when they are due, each closing an entry. See
// session.h.
#include "agent/work/session.h"
#include "evidence/warc/closing.h"

namespace impound::agent {

using evidence::EntryDraft;

Result<evidence::WarcWriter*> Session::warc() {
  if (!warc_) {
    IMPOUND_TRY(writer, evidence::WarcWriter::open(disk(), clock_, randomness_, warc_origin_, past_.warcs()));
    warc_ = std::move(writer);
  }
  IMPOUND_TRY(closed, warc_->close_if_due());
  if (closed) IMPOUND_CHECK(record_closed(*closed));
  return warc_.get();
}

Result<std::vector<evidence::WrittenRecord>> Session::append_to_warc(evidence::PackedCapture const& packed) {
  IMPOUND_TRY(writer, warc());
  auto done = writer->append(packed);
  if (!done && done.error().code == Code::no_space) {
    disk_full("keeping a capture");
    done = writer->append(packed);
  }
  return done;
}

Result<void> Session::record_closed(evidence::ClosedWarc const& closed) {
  IMPOUND_CHECK(recorder_->record(EntryDraft{"warc.closed", evidence::to_json(closed), {}, {}, {}, {}, {}}));
  return ok();
}

/// Last of the recovery: now every file ends where the log says.
Result<void> Session::close_left_warcs() {
  IMPOUND_TRY(closed, evidence::close_left_files(disk(), past_.warcs(), clock_));
  for (evidence::ClosedWarc const& one : closed) IMPOUND_CHECK(record_closed(one));
  return ok();
}

}  // namespace impound::agent
