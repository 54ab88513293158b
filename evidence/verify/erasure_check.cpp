#include "evidence/verify/erasure_check.h"

#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/vault.h"

namespace impound::evidence {

namespace {

std::string entry_text(std::uint64_t index) { return "entry " + std::to_string(index); }

}  // namespace

bool ErasureCheck::take(ReadEntry const& entry, IdBytes const& id_of_blank, std::string const& where,
                        Verdict& verdict) {
  auto const refuse = [&](std::string what) {
    verdict.add(What::malformed, where, std::move(what));
    return false;
  };
  if (!entry.json.contains("by")) refuse("an erasure without the person who carried it out");
  if (entry.kind() == "exhibit.erased") {
    auto erased = erased_exhibit_from(entry);
    if (!erased) return refuse("no erasure: " + line(erased.error()));
    std::uint64_t const index = erased.value().index;
    if (!bytes_.try_emplace(index, Bytes{entry.index, std::move(erased).value(), false}).second)
      refuse("what " + entry_text(index) + " vouches for was erased before");
    return false;
  }
  auto erased = erased_entry_from(entry);
  if (!erased) return refuse("no erasure: " + line(erased.error()));
  std::uint64_t const index = erased.value().index;
  if (!blanks_.try_emplace(index, Blank{entry.index, std::move(erased).value()}).second)
    return refuse(entry_text(index) + " was erased before");
  if (!holes_.contains(index)) return false;
  blank_ids_.emplace(id_of_blank, index);
  return true;
}

void ErasureCheck::judge(bool crashed, bool beside_writer, Verdict& verdict) {
  judge_holes(verdict);
  judge_bytes(verdict);
  judge_references(verdict);
  for (auto const& [index, blank] : blanks_) {
    if (holes_.contains(index)) continue;
    std::string const said = entry_text(blank.by_entry) + " orders it gone, and its bytes are there";
    if (beside_writer)
      verdict.not_checked.push_back(entry_text(index) + ": " + said);
    else
      verdict.add(crashed ? What::unlogged : What::added, entry_text(index),
                  said + (crashed ? "; start the agent once, it carries that out" : ""));
  }
}

void ErasureCheck::judge_holes(Verdict& verdict) {
  for (auto const& [index, leaf] : holes_) {
    auto const blank = blanks_.find(index);
    if (blank == blanks_.end()) {
      verdict.add(What::missing, entry_text(index), "its bytes are gone, and no entry orders that");
      continue;
    }
    verdict.add_erased("entry", entry_text(index), blank->second.by_entry);
    // The tree was grown with the tile's hash: a changed one shows in its root, here the file that holds it is named.
    if (blank->second.erased.leaf != leaf)
      verdict.add(What::altered, "log/" + tile_path(tile_of(0, index, verdict.checkpoint_size)),
                  "the hash of " + entry_text(index) + " is not the one that " + entry_text(blank->second.by_entry) +
                      " kept of it");
  }
}

void ErasureCheck::judge_bytes(Verdict& verdict) {
  for (auto const& [index, gone] : bytes_) {
    // A blanked entry can no longer say what it vouched for: its erasures were written together.
    if (!gone.found && !holes_.contains(index))
      verdict.add(What::malformed, entry_text(gone.by_entry),
                  entry_text(index) + " does not vouch for the bytes that this erases");
    if (gone.erased.object) verdict.add_erased("object", object_path(gone.erased.object->sha256), gone.by_entry);
    for (ErasedRecord const& record : gone.erased.records)
      verdict.add_erased("record", "record " + hex(record.sha256), gone.by_entry);
  }
}

void ErasureCheck::judge_references(Verdict& verdict) {
  for (Referred const& one : referred_) {
    auto const blank = blank_ids_.find(one.to);
    if (blank == blank_ids_.end() || blank->second >= one.from)
      verdict.add(one.otherwise.what, one.otherwise.where, one.otherwise.detail);
  }
}

}  // namespace impound::evidence
