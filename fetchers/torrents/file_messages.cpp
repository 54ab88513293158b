#include "fetchers/torrents/file_messages.h"

#include <utility>

#include "evidence/formats/hex.h"

namespace impound::fetchers {

namespace {

Error malformed(char const* what) {
  return {Code::malformed, std::string{"a worker's message is malformed: "} + what, {}, {}};
}

}  // namespace

Frame frame_of_file_done(FileDone const& m) {
  return {{"t", "file_done"},
          {"job", m.job},
          {"index", m.index},
          {"size", m.size},
          {"path", bytes_value(m.path_bytes)},
          {"staged", bytes_value(m.staged_path)},
          {"sha256", m.sha256 ? hex(*m.sha256) : std::string{}}};
}

Frame frame_of_file_reached(FileReached const& m) {
  return {{"t", "file_reached"},
          {"job", m.job},
          {"index", m.index},
          {"bytes", m.bytes},
          {"staged", bytes_value(m.staged_path)}};
}

Frame frame_of_file_part(FilePart const& m) {
  return {{"t", "file_part"},
          {"job", m.job},
          {"index", m.index},
          {"path", bytes_value(m.path_bytes)},
          {"staged", bytes_value(m.staged_path)},
          {"layer", bytes_value(m.layer_path)}};
}

Result<FromWorker> file_done_from(Frame const& frame) {
  if (frame.size() != 7) return malformed("a field too many or too few");
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(index, frame_number(frame, "index"));
  IMPOUND_TRY(size, frame_number(frame, "size"));
  IMPOUND_TRY(path, frame_bytes(frame, "path"));
  IMPOUND_TRY(staged, frame_bytes(frame, "staged"));
  if (!safe_relative_path(path) || !safe_relative_path(staged))
    return malformed("a path that is not plain and relative");
  IMPOUND_TRY(digest, frame_text(frame, "sha256"));
  std::optional<Sha256> const sha256 = digest_from_hex<Sha256>(digest);
  if (!sha256 && !digest.empty()) return malformed("a digest that is none");
  return FromWorker{FileDone{std::move(job), index, size, std::move(path), std::move(staged), sha256}};
}

Result<FromWorker> file_reached_from(Frame const& frame) {
  if (frame.size() != 5) return malformed("a field too many or too few");
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(index, frame_number(frame, "index"));
  IMPOUND_TRY(bytes, frame_number(frame, "bytes"));
  IMPOUND_TRY(staged, frame_bytes(frame, "staged"));
  if (!safe_relative_path(staged)) return malformed("a path that is not plain and relative");
  return FromWorker{FileReached{std::move(job), index, bytes, std::move(staged)}};
}

Result<FromWorker> file_part_from(Frame const& frame) {
  if (frame.size() != 6) return malformed("a field too many or too few");
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(index, frame_number(frame, "index"));
  IMPOUND_TRY(path, frame_bytes(frame, "path"));
  IMPOUND_TRY(staged, frame_bytes(frame, "staged"));
  IMPOUND_TRY(layer, frame_bytes(frame, "layer"));
  if (!safe_relative_path(path) || !safe_relative_path(staged) || !(layer.empty() || safe_relative_path(layer)))
    return malformed("a path that is not plain and relative");
  return FromWorker{FilePart{std::move(job), index, std::move(path), std::move(staged), std::move(layer)}};
}

}  // namespace impound::fetchers
