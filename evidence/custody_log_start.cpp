// The start of a CustodyLog: which keys the log has had, whether it is what was signed here last, and what a publish
// that was cut short has left to do.
#include <algorithm>
#include <utility>

#include "evidence/custody_log.h"
#include "evidence/formats/hex.h"
#include "evidence/log_sweep.h"

namespace impound::evidence {

namespace {

Error rolled_back(std::string what, std::string_view where) {
  return Error{Code::rolled_back, std::move(what), std::string(where),
               "Find out who put it back. To go on all the same: --accept-rollback REASON."};
}

bool absent(Error const& error) { return error.code == Code::not_found; }

/// What a note says of itself; nothing is verified.
std::uint64_t size_said(std::string_view bytes) {
  auto const note = parse_note(bytes);
  auto const said = note ? checkpoint_from_text(note.value().text) : Result<Checkpoint>(note.error());
  return said ? said.value().size : 0;
}

std::string entries_signed(std::uint64_t have, std::uint64_t last) {
  return "the vault holds " + std::to_string(have) + " entries, " + std::to_string(last) + " were signed here";
}

}  // namespace

Result<std::unique_ptr<CustodyLog>> CustodyLog::open(Disk& vault, Disk& state, SigningKey const& key,
                                                     std::string origin, Rollback rollback) {
  return open(vault, state, LogKeys{.current = &key}, std::move(origin), rollback);
}

Result<std::unique_ptr<CustodyLog>> CustodyLog::open(Disk& vault, Disk& state, LogKeys keys, std::string origin,
                                                     Rollback rollback, CheckpointCopies* copies) {
  IMPOUND_TRY(journal, Journal::open(vault));
  std::unique_ptr<CustodyLog> log(new CustodyLog(vault, state, std::move(keys), std::move(origin), std::move(journal)));
  log->copies_ = copies;
  IMPOUND_CHECK(log->compare_with_state(rollback));
  IMPOUND_CHECK(log->compare_with_copies(rollback));
  // Present is not durable: tiles of an older size go only when no power cut can bring its checkpoint back.
  if (log->published_) IMPOUND_CHECK(vault.sync_folder(folder_of(log_checkpoint_path)));
  IMPOUND_CHECK(sweep_log(vault, log->published_size(), rollback == Rollback::accept ? Sweep::into_torn : Sweep::away));
  IMPOUND_CHECK(log->integrate_journal());
  return log;
}

std::vector<NoteKey> CustodyLog::known_keys() const {
  std::vector<NoteKey> keys = chain_.keys();
  for (SigningKey const* own : {key_, next_})
    if (own != nullptr && !chain_.has(own->public_key(origin_))) keys.push_back(own->public_key(origin_));
  return keys;
}

/// A log whose newest notes carry no line of another key was never rotated: then no entry is read.
Result<void> CustodyLog::follow_keys(std::optional<std::string> const& last) {
  NoteKey const first = chain_.newest();
  bool const rotated =
      (published_ && signed_by_others(published_->bytes, first)) || (last && signed_by_others(*last, first));
  if (!rotated || !published_) return ok();
  std::uint64_t const widest = std::max(published_->checkpoint.size, last ? size_said(*last) : 0);
  return follow_rotations(chain_, published_->checkpoint.size, [&](TileName name) -> Result<std::string> {
    auto exact = read_tile(name);
    if (exact || !absent(exact.error()) || name.width == tile_width) return exact;
    // An older checkpoint was put back: the bundle is there, and has grown since.
    name.width = static_cast<unsigned>(std::min<std::uint64_t>(tile_width, widest - name.index * tile_width));
    return read_tile(name);
  });
}

/// Neither of the keys at hand may sign: whose key is wanted, and why.
Result<void> CustodyLog::choose_key() {
  for (SigningKey const* own : {key_, next_})
    if (own != nullptr && same_key(own->public_key(origin_), chain_.newest())) {
      if (own == next_) key_ = std::exchange(next_, nullptr);
      return ok();
    }
  bool const retired = chain_.has(key_->public_key(origin_));
  return Error{Code::usage,
               retired ? "this key was retired at entry " + std::to_string(chain_.links().back().from) +
                             " of the log, and signs nothing more"
                       : "this key is not the one that the vault was made with, nor one that came after it",
               origin_, "Name the file of the newest key with [vault] key: " + chain_.newest().vkey()};
}

/// log/checkpoint and last-checkpoint, verified by the keys that the log itself names.
Result<void> CustodyLog::read_notes(Rollback rollback, std::optional<CheckpointNote>& last) {
  auto bytes = read_whole(vault_, log_checkpoint_path, note_bytes_max);
  if (!bytes && !absent(bytes.error())) return std::move(bytes).error();
  IMPOUND_TRY(remembered, last_checkpoint_bytes(state_));
  if (bytes) {
    published_ = CheckpointNote{{origin_, size_said(bytes.value()), {}}, bytes.value()};
    IMPOUND_CHECK(follow_keys(remembered));
    auto checkpoint = read_checkpoint(bytes.value(), chain_);
    if (!checkpoint)
      return Error{Code::damaged,
                   "the checkpoint cannot be read: " + checkpoint.error().what,
                   std::string(log_checkpoint_path),
                   {}};
    published_ = CheckpointNote{std::move(checkpoint).value(), std::move(bytes).value()};
  }
  last_ = remembered;
  auto read = read_last_checkpoint(state_, known_keys());
  // Accepted: also what a key signed that is not here, after a rotation that the vault no longer knows of.
  if (!read && rollback == Rollback::refuse) return std::move(read).error();
  if (read) last = std::move(read).value();
  return ok();
}

Result<void> CustodyLog::compare_with_state(Rollback rollback) {
  std::optional<CheckpointNote> last;
  IMPOUND_CHECK(read_notes(rollback, last));
  std::uint64_t const have = published_ ? published_->checkpoint.size : 0;
  bool const ahead = last && last->checkpoint.size > have;
  // No key for log/checkpoint is no end yet: a rename of it that was lost after the key's file had changed.
  auto chosen = choose_key();
  if (!chosen && !ahead) return std::move(chosen).error();
  if (!published_ && !last) return ok();  // a creation cut short, or no log: the journal tells

  if (ahead && (rollback == Rollback::refuse || !chosen)) {
    auto const finished = finish_rename(*last);
    if (!finished && !chosen && finished.error().code == Code::rolled_back)
      return Error{Code::rolled_back, finished.error().what, finished.error().where,
                   "Its key was rotated since, and the old one destroyed: only a newer copy of the vault can go on."};
    IMPOUND_CHECK(finished);
    IMPOUND_CHECK(choose_key());
  } else if (!published_) {
    return rolled_back("the vault has no checkpoint, and its state remembers one", log_checkpoint_path);
  }
  IMPOUND_TRY(
      tree, TileBuilder::resume(published_->checkpoint.size, [this](TileName const& tile) { return read_tile(tile); }));
  if (tree.root() != published_->checkpoint.root)
    return Error{
        Code::damaged, "the tiles do not hash to the root of the checkpoint", std::string(log_checkpoint_path), {}};
  tree_ = std::move(tree);
  size_ = tree_.size();
  if (last_ == published_->bytes || (last && last->checkpoint == published_->checkpoint)) return ok();

  if (rollback == Rollback::refuse) {
    if (!last) return rolled_back("the state folder remembers no checkpoint of this vault", last_checkpoint_path);
    IMPOUND_CHECK(check_descends_from(*last));
  }
  IMPOUND_CHECK(swap_last_checkpoint(state_, last_, published_->bytes));
  last_ = published_->bytes;
  return ok();
}

/// A blanked entry has its leaf in the level 0 tile; the root that it leads to is held against a signed one.
Result<LeafHash> CustodyLog::leaf_of(std::string_view entry, TileName const& tile, unsigned position) {
  if (!entry.empty()) return leaf_hash(bytes_of(entry));
  IMPOUND_TRY(hashes, read_tile(tile));
  LeafHash leaf;
  std::size_t const at = position * LeafHash::size;
  if (hashes.size() < at + LeafHash::size) return Error{Code::damaged, "a tile is too short", {}, {}};
  std::copy_n(bytes_of(hashes).begin() + static_cast<std::ptrdiff_t>(at), LeafHash::size, leaf.bytes.begin());
  return leaf;
}

/// last-checkpoint is ahead: when the bundles hash to its root, only the rename of log/checkpoint was cut off.
Result<void> CustodyLog::finish_rename(CheckpointNote const& last) {
  auto const behind = [&] {
    return rolled_back(entries_signed(published_ ? published_->checkpoint.size : 0, last.checkpoint.size),
                       log_checkpoint_path);
  };
  TileBuilder tree;
  if (published_) {
    // An older checkpoint put in the place of the newest finds its partial tiles gone: then every bundle is hashed.
    auto resumed =
        TileBuilder::resume(published_->checkpoint.size, [this](TileName const& tile) { return read_tile(tile); });
    if (resumed && resumed.value().root() == published_->checkpoint.root) tree = std::move(resumed).value();
  }
  std::uint64_t const to = last.checkpoint.size;
  while (tree.size() < to) {
    std::uint64_t const index = tree.size() / tile_width;
    auto const skip = static_cast<unsigned>(tree.size() % tile_width);
    auto const width = static_cast<unsigned>(std::min<std::uint64_t>(tile_width, to - index * tile_width));
    auto bundle = read_tile({true, 0, index, width});
    if (!bundle) return absent(bundle.error()) ? behind() : std::move(bundle).error();
    auto const hashed =
        each_in_bundle(bundle.value(), width, [&](unsigned position, std::string_view entry) -> Result<void> {
          if (position < skip) return ok();
          chain_.take(tree.size(), entry);
          IMPOUND_TRY(leaf, leaf_of(entry, {false, 0, index, width}, position));
          return tree.add(leaf, [](TileName const&, Bytes) -> Result<void> { return ok(); });
        });
    if (!hashed) return behind();
  }
  if (tree.root() != last.checkpoint.root) return behind();
  if (auto const ours = read_checkpoint(last.bytes, chain_); !ours)
    return Error{Code::damaged,
                 "the last checkpoint cannot be read: " + ours.error().what,
                 std::string(last_checkpoint_path),
                 {}};
  // Present is not durable: the run that moved last-checkpoint may have died before the sync of its name.
  IMPOUND_CHECK(state_.sync_folder(folder_of(last_checkpoint_path)));
  IMPOUND_CHECK(write_whole(vault_, log_checkpoint_path, bytes_of(last.bytes), Replace::yes));
  published_ = last;
  return ok();
}

/// The vault is ahead of its state: fine when it grew from what the state remembers, else it is a fork.
Result<void> CustodyLog::check_descends_from(CheckpointNote const& last) {
  std::uint64_t const size = published_->checkpoint.size;
  auto const fork = [] {
    return rolled_back("the vault's history is not the one that was signed here", log_checkpoint_path);
  };
  if (last.checkpoint.size > size) return fork();
  IMPOUND_TRY(root, MerkleProver(last.checkpoint.size,
                                 stored_in_tiles(size, [this](TileName const& tile) { return read_tile(tile); }))
                        .root());
  if (root != last.checkpoint.root) return fork();
  return ok();
}

/// Whoever puts back vault and STATE together forgets the copies, or cannot reach them. Each is compared with the vault
/// as STATE has just been; then all are brought up to it.
Result<void> CustodyLog::compare_with_copies(Rollback rollback) {
  if (copies_ == nullptr || !published_) return ok();
  for (CheckpointCopies::Copy& copy : copies_->read()) {
    // Accepted: also what a key signed that is not here any more. Whoever accepts has kept what it says.
    if (rollback == Rollback::accept) continue;
    auto checkpoint = read_checkpoint(copy.bytes, known_keys());
    if (!checkpoint)
      return Error{Code::damaged,
                   "a copy of the last checkpoint is not this vault's, or it was changed: " + checkpoint.error().what,
                   copy.path, "Name another file in [vault] last_checkpoint_copies, or find out what it is."};
    CheckpointNote const note{std::move(checkpoint).value(), std::move(copy.bytes)};
    if (note.checkpoint.size > published_->checkpoint.size)
      return rolled_back(entries_signed(published_->checkpoint.size, note.checkpoint.size), copy.path);
    if (note.checkpoint == published_->checkpoint) continue;
    if (auto const descends = check_descends_from(note); !descends)
      return descends.error().code == Code::rolled_back ? rolled_back(descends.error().what, copy.path)
                                                        : descends.error();
  }
  copies_->write(published_->bytes);
  return ok();
}

}  // namespace impound::evidence
