#include "agent/work/held_files.h"

#include "agent/work/past.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

void HeldFiles::take_sealed(Json const& body, EntryId const& exhibit) {
  if (text_field(body, "role") != "payload" || !body.contains("origin")) return;
  auto const root = digest_from_hex<Sha256>(text_field(body["origin"], "pieces_root").value_or(""));
  auto const object = digest_from_hex<Sha256>(text_field(body, "sha256").value_or(""));
  auto const size = count_field(body, "size");
  if (!root || !object || !size) return;
  Name const name{*root, *size};
  if (files_.emplace(name, HeldFile{*object, exhibit}).second) by_object_.emplace(*object, name);
}

void HeldFiles::take_erased(Json const& body) {
  auto const object = digest_from_hex<Sha256>(text_field(body, "sha256").value_or(""));
  if (!object) return;
  auto const [first, last] = by_object_.equal_range(*object);
  for (auto one = first; one != last; ++one) files_.erase(one->second);
  by_object_.erase(first, last);
}

std::optional<HeldFile> HeldFiles::find(Sha256 const& pieces_root, std::uint64_t size) const {
  auto const found = files_.find({pieces_root, size});
  return found == files_.end() ? std::nullopt : std::optional{found->second};
}

}  // namespace impound::agent
