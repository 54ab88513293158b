#include "evidence/log_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "evidence/custody_log.h"
#include "evidence/formats/hex.h"
#include "evidence/key_rotation.h"

namespace impound::evidence {

namespace {

constexpr unsigned attempts_max = 100;  // a writer publishes once a second; each attempt takes a few opens

std::string log_path(TileName const& tile) { return "log/" + tile_path(tile); }

Result<std::string> whole(DiskFile& file, std::uint64_t bytes_max, std::string const& path) {
  std::string bytes;
  std::array<std::byte, 64 * 1024> block;
  for (;;) {
    IMPOUND_TRY(count, file.read(bytes.size(), block));
    if (count == 0) return bytes;
    if (bytes.size() + count > bytes_max) return Error{Code::damaged, "the tile is too large", path, {}};
    bytes.append(reinterpret_cast<char const*>(block.data()), count);
  }
}

Result<Checkpoint> unverified(std::string_view bytes) {
  IMPOUND_TRY(note, parse_note(bytes));
  return checkpoint_from_text(note.text);
}

}  // namespace

Result<LogReader> LogReader::open(Disk& vault, std::string_view vkey) {
  IMPOUND_TRY(key, NoteKey::from_vkey(vkey));
  std::string before;
  for (unsigned attempt = 0;; ++attempt) {
    IMPOUND_TRY(note, read_whole(vault, log_checkpoint_path, note_bytes_max));
    bool const rotated = signed_by_others(note, key);
    auto checkpoint = rotated ? unverified(note) : read_checkpoint(note, key);
    if (!checkpoint)
      return Error{checkpoint.error().code, checkpoint.error().what, std::string(log_checkpoint_path), {}};
    LogReader reader(vault, std::move(checkpoint).value(), note, key);
    auto opened = reader.open_partial_tiles();
    if (opened && rotated) IMPOUND_CHECK(reader.follow_key());
    if (opened) return reader;
    if (opened.error().code != Code::not_found) return std::move(opened).error();
    // The writer removes stale tiles only after the newer checkpoint is in place: the same one again means damage.
    if (note == before || attempt == attempts_max)
      return Error{Code::damaged, "a tile of the newest checkpoint is missing", opened.error().where, {}};
    before = std::move(note);
  }
}

Result<void> LogReader::open_partial_tiles() {
  for (TileName const& tile : partial_tiles(checkpoint_.size)) {
    std::string path = log_path(tile);
    auto file = DiskFile::open(*vault_, path, Open::read);
    if (!file) return Error{file.error().code, file.error().what, path, {}};
    partial_.emplace(std::move(path), std::move(file).value());
  }
  return ok();
}

/// From the given key along the rotations to the one that must have signed the checkpoint.
Result<void> LogReader::follow_key() {
  KeyChain chain(key_);
  IMPOUND_CHECK(follow_rotations(chain, checkpoint_.size, [this](TileName const& name) { return tile(name); }));
  auto checkpoint = read_checkpoint(note_, chain);
  if (!checkpoint) return Error{checkpoint.error().code, checkpoint.error().what, std::string(log_checkpoint_path), {}};
  checkpoint_ = std::move(checkpoint).value();
  key_ = chain.newest();
  return ok();
}

Result<std::string> LogReader::tile(TileName const& name) {
  std::string const path = log_path(name);
  if (!tile_belongs(name, checkpoint_.size)) return Error{Code::not_found, "the checkpoint has no such tile", path, {}};
  std::uint64_t const bytes_max = name.entries ? bundle_bytes_max : tile_bytes;
  auto const held = partial_.find(path);
  auto bytes = held != partial_.end() ? whole(held->second, bytes_max, path) : read_whole(*vault_, path, bytes_max);
  if (!bytes) return Error{bytes.error().code, bytes.error().what, path, {}};
  if (!name.entries && bytes.value().size() != std::size_t{name.width} * LeafHash::size)
    return Error{Code::damaged, "a tile does not have the size its name says", path, {}};
  return bytes;
}

Result<void> LogReader::each(std::uint64_t from, std::uint64_t to, Each const& each) {
  to = std::min(to, checkpoint_.size);
  for (std::uint64_t first = from / tile_width * tile_width; first < to; first += tile_width) {
    auto const width = static_cast<unsigned>(std::min<std::uint64_t>(tile_width, checkpoint_.size - first));
    TileName const name{true, 0, first / tile_width, width};
    IMPOUND_TRY(bundle, tile(name));
    bool called = false;  // an error of the caller's own is handed on as it is
    auto done = each_in_bundle(bundle, width, [&](unsigned position, std::string_view entry) -> Result<void> {
      std::uint64_t const index = first + position;
      if (index < from || index >= to) return ok();
      auto result = each(index, entry);
      called = !result;
      return result;
    });
    if (!done && !called) return Error{Code::damaged, done.error().what, log_path(name), {}};
    if (!done) return std::move(done).error();
  }
  return ok();
}

Result<std::string> LogReader::entry(std::uint64_t index) {
  if (index >= checkpoint_.size)
    return Error{Code::not_found, "the log has no such entry yet", "entry " + std::to_string(index), {}};
  std::string bytes;
  IMPOUND_CHECK(each(index, index + 1, [&](std::uint64_t, std::string_view entry) -> Result<void> {
    bytes = std::string(entry);
    return ok();
  }));
  return bytes;
}

StoredHashes LogReader::stored() {
  return stored_in_tiles(checkpoint_.size, [this](TileName const& name) { return tile(name); });
}

}  // namespace impound::evidence
