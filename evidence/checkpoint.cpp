#include "evidence/checkpoint.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "evidence/formats/base64.h"
#include "evidence/formats/text_lines.h"

namespace impound::evidence {

namespace {

Error malformed(std::string what) { return Error{Code::malformed, "not a checkpoint: " + std::move(what), {}, {}}; }

}  // namespace

std::string checkpoint_text(Checkpoint const& checkpoint) {
  return checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" + base64(checkpoint.root.bytes) + "\n";
}

Result<Checkpoint> checkpoint_from_text(std::string_view text) {
  auto const origin = take_line(text);
  auto const size = take_line(text);
  auto const root = take_line(text);
  if (!origin || !size || !root || origin->empty()) return malformed("it has not three lines");
  // Extension lines are not written here, and the specification advises against them.
  if (!text.empty()) return malformed("more than three lines");
  Checkpoint checkpoint;
  checkpoint.origin = std::string(*origin);
  auto const number = decimal(*size, INT64_MAX);
  if (!number) return malformed("its size");
  checkpoint.size = *number;
  auto const bytes = from_base64(*root);
  if (!bytes || bytes->size() != Sha256::size) return malformed("its root");
  std::copy(bytes->begin(), bytes->end(), checkpoint.root.bytes.begin());
  return checkpoint;
}

std::string sign_checkpoint(Checkpoint const& checkpoint, SigningKey const& key) {
  return key.sign_note(checkpoint.origin, checkpoint_text(checkpoint));
}

Result<Checkpoint> read_checkpoint(std::string_view bytes, NoteKey const& key) {
  return read_checkpoint(bytes, std::span{&key, 1});
}

Result<Checkpoint> read_checkpoint(std::string_view bytes, std::span<NoteKey const> known) {
  IMPOUND_TRY(note, parse_note(bytes));
  IMPOUND_CHECK(verify_note(note, known));
  IMPOUND_TRY(checkpoint, checkpoint_from_text(note.text));
  bool const ours = std::any_of(known.begin(), known.end(), [&](NoteKey const& key) {
    return checkpoint.origin == key.name && verify_note(note, std::span{&key, 1}).has_value();
  });
  if (!ours)
    return Error{
        Code::refused, "the checkpoint is of the log " + checkpoint.origin + ", not of " + known.front().name, {}, {}};
  return checkpoint;
}

}  // namespace impound::evidence
