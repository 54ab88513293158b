// What the vault has already is not taken a second time: torrents, and files of v2 torrents by their root (held_files).
// See acquisition.h.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/work/acquisition.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t entries_at_a_time = 1'000;
constexpr std::uint64_t held_bytes_at_a_time = 256u << 20;  // hashed again, before the workers are heard

}  // namespace

/// A magnet may name one hash only: that the torrent is held, or was erased by order, can show when the metadata brings
/// the other. No payload comes then.
void Acquisitions::refuse_held(Running& running) const {
  if (!running.metainfo || !running.refused_reason.empty() || running.metadata_only) return;
  Past const& past = session_.past();
  if (auto const erased = past.erased(running.hashes)) {
    running.refused_reason = "cancelled";
    running.refused_detail = "bytes of this torrent were erased by order: entry " + erased->text();
  } else if (auto const held = past.held(running.hashes, selection_json(running.selection))) {
    running.refused_reason = "cancelled";
    running.refused_detail = "this torrent is held already: entry " + held->text();
    running.goes_on_as = held;
  }
}

/// Its wanted files that the vault has become exhibits of this acquisition, too: also those that this torrent names
/// twice, once the first is sealed. With the first file that goes beyond `bytes_max` it stops, and goes on when it is
/// called again.
Result<void> Acquisitions::take_held_files(Running& running, std::uint64_t bytes_max) {
  running.intake.held_looked_for = true;
  // What was refused, or goes on as another acquisition, needs no exhibits of its own.
  if (!running.metainfo || running.metadata_only || !running.refused_reason.empty()) return ok();
  if (session_.past().erased(running.hashes)) return ok();
  Intake& intake = running.intake;
  std::vector<evidence::PresentObject> objects;
  std::vector<std::pair<std::size_t, EntryId>> of;  // the file, and the exhibit that it is taken from
  std::uint64_t bytes = 0;
  auto const seal = [&]() -> Result<void> {
    IMPOUND_TRY(sealed, session_.sealing().seal_present(objects));
    for (std::size_t i = 0; i < of.size(); ++i) {
      auto const& [index, from] = of[i];
      fetchers::TorrentFile const& file = running.metainfo->files[index];
      if (sealed[i].refused) {
        // Downloaded, then; `verify` tells of the object.
        intake.not_taken.insert(index);
        spdlog::warn("job={} file={} held={}", running.attempt.text(), index, line(*sealed[i].refused));
        continue;
      }
      ++intake.files;
      intake.bytes += file.size;
      running.wanted_bytes -= std::min(running.wanted_bytes, file.size);
      intake.sealed.emplace(index, *sealed[i].sha256);
      intake.lines += taken_line(file, index, sealed[i], from);
    }
    objects.clear();
    of.clear();
    return ok();
  };
  for (std::size_t i = 0; i < running.metainfo->files.size(); ++i) {
    fetchers::TorrentFile const& file = running.metainfo->files[i];
    if (!file.payload() || !file.pieces_root || !running.left_out[i].empty() || is_sealed(running, i) ||
        intake.whole.contains(i) || intake.not_taken.contains(i))
      continue;
    auto const held = session_.past().held_files().find(*file.pieces_root, file.size);
    if (!held) continue;
    if (bytes >= bytes_max) {
      intake.held_looked_for = false;
      break;
    }
    bytes += file.size;
    Json origin = origin_of(running, i);
    EntryDraft draft{
        "exhibit.sealed",  {{"role", "payload"}, {"origin", std::move(origin)}, {"taken_from", held->exhibit.text()}},
        running.case_name, running.metadata_entry,
        running.attempt,   {},
        session_.new_id()};
    objects.push_back({held->object, file.size, std::move(draft)});
    of.emplace_back(i, held->exhibit);
    if (objects.size() == entries_at_a_time) IMPOUND_CHECK(seal());
  }
  return objects.empty() ? ok() : seal();
}

/// Those that got a slot and wait for this: each takes some, and the workers are heard in between.
Result<void> Acquisitions::look_for_held_files() {
  std::vector<std::string> looking;
  for (auto const& [id, running] : running_)
    if (running.slot && !running.intake.held_looked_for) looking.push_back(id);
  for (std::string const& id : looking)
    if (Running* const running = find(id)) IMPOUND_CHECK(end_where_all_is_held(*running));
  return ok();
}

/// Before its payload comes. Where nothing is left to come, no peer is needed for its end.
Result<void> Acquisitions::end_where_all_is_held(Running& running) {
  Intake& intake = running.intake;
  std::uint64_t const before = intake.files;
  IMPOUND_CHECK(take_held_files(running, held_bytes_at_a_time));
  intake.held_files += intake.files - before;
  running.last_byte_us = session_.clock().boot_us();  // its turn begins when it is asked for something
  if (!intake.held_looked_for || intake.held_files == 0) return ok();
  terminal_.say("            " + std::to_string(std::exchange(intake.held_files, 0)) +
                " file(s) are in the vault already, and not downloaded again");
  auto const& files = running.metainfo->files;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (files[i].payload() && running.left_out[i].empty() && !is_sealed(running, i)) return ok();
  if (running.in_worker) return ok();              // which says so itself when it is asked for nothing
  std::string const job = running.attempt.text();  // a copy: finish() ends what it belongs to
  return finish(job, {});
}

}  // namespace impound::agent
