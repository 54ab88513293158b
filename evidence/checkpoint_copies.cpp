#include "evidence/checkpoint_copies.h"

#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/formats/signed_note.h"

namespace impound::evidence {

std::vector<CheckpointCopies::Copy> CheckpointCopies::read() {
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    Place const& place = places_[i];
    auto folder = place.folder();
    auto bytes = folder ? read_whole(*folder.value(), place.name, note_bytes_max) : Result<std::string>(folder.error());
    if (bytes)
      copies.push_back({place.path, std::move(bytes).value()});
    else if (folder && bytes.error().code == Code::not_found)
      tell_("there is no copy of the last checkpoint at " + place.path + " to compare with; one is made");
    else
      outage(i, "cannot be compared", bytes.error());
  }
  return copies;
}

void CheckpointCopies::write(std::string_view note) {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    Place const& place = places_[i];
    auto const written = [&]() -> Result<void> {
      IMPOUND_TRY(folder, place.folder());
      auto const there = read_whole(*folder, place.name, note_bytes_max);
      if (there && there.value() == note) return ok();
      return write_whole(*folder, place.name, bytes_of(note), Replace::yes);
    }();
    if (!written) outage(i, "cannot be written", written.error());
    if (!written || !out_[i]) continue;
    out_[i] = false;
    tell_("the copy of the last checkpoint at " + place.path + " is written again");
  }
}

void CheckpointCopies::outage(std::size_t place, std::string const& what, Error const& error) {
  if (out_[place]) return;
  out_[place] = true;
  tell_("the copy of the last checkpoint at " + places_[place].path + " " + what +
        ", the vault goes on without it: " + line(error));
}

}  // namespace impound::evidence
