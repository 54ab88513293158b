#include "fetchers/torrents/done_message.h"

#include <utility>

namespace impound::fetchers {

Frame frame_of_done(Done const& message) {
  return {{"t", "done"},
          {"job", message.job},
          {"downloaded", message.downloaded_payload},
          {"uploaded", message.uploaded_payload},
          {"read_back", message.pieces_read_back},
          {"rechecked", message.pieces_rechecked},
          {"from_journal", message.pieces_from_journal}};
}

Result<FromWorker> done_from(Frame const& frame) {
  if (frame.size() != 7) return Error{Code::malformed, "a worker's message is malformed: done", {}, {}};
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(downloaded, frame_number(frame, "downloaded"));
  IMPOUND_TRY(uploaded, frame_number(frame, "uploaded"));
  IMPOUND_TRY(read_back, frame_number(frame, "read_back"));
  IMPOUND_TRY(rechecked, frame_number(frame, "rechecked"));
  IMPOUND_TRY(from_journal, frame_number(frame, "from_journal"));
  return FromWorker{Done{std::move(job), downloaded, uploaded, read_back, rechecked, from_journal}};
}

}  // namespace impound::fetchers
