#include "fetchers/torrents/record_message.h"

#include <utility>

#include "fetchers/torrents/swarm_record.h"

namespace impound::fetchers {

Frame frame_of_record(SwarmRecord const& message) {
  return {
      {"t", "record"}, {"job", message.job}, {"staged", bytes_value(message.staged_path)}, {"bytes", message.bytes}};
}

Result<FromWorker> record_from(Frame const& frame) {
  Error const malformed{Code::malformed, "a worker's message is malformed: a swarm record", {}, {}};
  if (frame.size() != 4) return malformed;
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(staged, frame_bytes(frame, "staged"));
  IMPOUND_TRY(bytes, frame_number(frame, "bytes"));
  if (!safe_relative_path(staged) || bytes > record_bytes_max) return malformed;
  return FromWorker{SwarmRecord{std::move(job), std::move(staged), bytes}};
}

}  // namespace impound::fetchers
