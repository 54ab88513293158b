#include "evidence/last_checkpoint.h"

#include <utility>

#include "evidence/formats/hex.h"

namespace impound::evidence {

Result<std::optional<std::string>> last_checkpoint_bytes(Disk& state) {
  auto bytes = read_whole(state, last_checkpoint_path, note_bytes_max);
  if (bytes) return std::optional{std::move(bytes).value()};
  if (bytes.error().code == Code::not_found) return std::optional<std::string>{};
  return std::move(bytes).error();
}

Result<std::optional<CheckpointNote>> read_last_checkpoint(Disk& state, std::span<NoteKey const> known) {
  IMPOUND_TRY(bytes, last_checkpoint_bytes(state));
  if (!bytes) return std::optional<CheckpointNote>{};
  auto checkpoint = read_checkpoint(*bytes, known);
  if (!checkpoint)
    return Error{Code::damaged, "the last checkpoint cannot be read: " + checkpoint.error().what,
                 std::string(last_checkpoint_path), "It is not this vault's, or it was changed."};
  return std::optional{CheckpointNote{std::move(checkpoint).value(), std::move(*bytes)}};
}

Result<void> swap_last_checkpoint(Disk& state, std::optional<std::string_view> expected, std::string_view next) {
  IMPOUND_TRY(present, last_checkpoint_bytes(state));
  bool const as_expected = present.has_value() == expected.has_value() && (!present || *present == *expected);
  if (!as_expected)
    return Error{Code::rolled_back, "the last checkpoint was moved by another agent or a copy of this vault",
                 std::string(last_checkpoint_path), "Only one vault may use this state folder."};
  return write_whole(state, last_checkpoint_path, bytes_of(next), Replace::yes);
}

}  // namespace impound::evidence
