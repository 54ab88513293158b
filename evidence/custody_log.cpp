#include "evidence/custody_log.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "evidence/formats/hex.h"
#include "evidence/log_sweep.h"
#include "evidence/values/must.h"

namespace impound::evidence {

namespace {

std::string log_path(TileName const& tile) { return "log/" + tile_path(tile); }

Result<std::string> read_tile_at(Disk& vault, TileName const& tile) {
  return read_whole(vault, log_path(tile), tile.entries ? bundle_bytes_max : tile_bytes);
}

Error rolled_back(std::string what, std::string_view where) {
  return Error{Code::rolled_back, std::move(what), std::string(where),
               "Find out who put it back. To go on all the same: --accept-rollback REASON."};
}

bool absent(Error const& error) { return error.code == Code::not_found; }

/// Files of one publish from which one sync of the file system is cheaper than a sync for each. A publish a second has
/// two to six; more come after a thousand entries, where sealing syncs everything, too.
constexpr std::size_t one_sync_from = 8;

}  // namespace

/// Takes entries one by one and writes bundles and tiles as they fill: at most one bundle and one tile a level in
/// memory.
class CustodyLog::Integration {
 public:
  Integration(Disk& vault, TileBuilder tree, std::set<std::string>& durable_folders)
      : vault_(vault), tree_(std::move(tree)), durable_(durable_folders) {}

  /// The unfinished bundle is taken up, and held against the leaf hashes that the checkpoint covers: bytes that went
  /// bad on the disk must not be carried into a new bundle.
  Result<void> begin() {
    auto const width = static_cast<unsigned>(tree_.size() % tile_width);
    begun_ = true;
    if (width == 0) return ok();
    TileName const name{true, 0, tree_.size() / tile_width, width};
    IMPOUND_TRY(bundle, read_tile_at(vault_, name));
    auto const leaves = tree_.last_leaves();
    auto const checked = each_in_bundle(bundle, width, [&](unsigned position, std::string_view entry) -> Result<void> {
      bool const erased = entry.empty();
      if (erased || leaf_hash(bytes_of(entry)) == leaves[position]) return ok();
      return Error{Code::damaged, "an entry does not hash to its leaf", {}, {}};
    });
    if (!checked) return Error{Code::damaged, checked.error().what, log_path(name), {}};
    bundle_ = std::move(bundle);
    return ok();
  }

  Result<void> add(std::string_view entry) {
    if (!begun_) IMPOUND_CHECK(begin());
    append_to_bundle(bundle_, entry);
    if ((tree_.size() + 1) % tile_width == 0) {
      IMPOUND_CHECK(write({true, 0, tree_.size() / tile_width, tile_width}, bytes_of(bundle_)));
      bundle_.clear();
    }
    return tree_.add(leaf_hash(bytes_of(entry)), [&](TileName const& tile, Bytes bytes) { return write(tile, bytes); });
  }

  /// The unfinished tiles, then every folder's names. On return the tiles of the new size are durable.
  Result<void> finish() {
    auto const width = static_cast<unsigned>(tree_.size() % tile_width);
    if (width != 0) IMPOUND_CHECK(write({true, 0, tree_.size() / tile_width, width}, bytes_of(bundle_)));
    IMPOUND_CHECK(tree_.partial([&](TileName const& tile, Bytes bytes) { return write(tile, bytes); }));
    IMPOUND_CHECK(place_drafts());
    for (std::string const& folder : to_sync_) IMPOUND_CHECK(vault_.sync_folder(folder));
    durable_.merge(seen_);
    return ok();
  }

  TileBuilder& tree() { return tree_; }

 private:
  Result<void> write(TileName const& tile, Bytes bytes) {
    std::string const path = log_path(tile);
    IMPOUND_CHECK(prepare(folder_of(path)));
    IMPOUND_TRY(file, DiskFile::open(vault_, draft_of(path), Open::create));
    IMPOUND_CHECK(file.write(0, bytes));
    drafts_.push_back(path);
    if (drafts_.size() < one_sync_from)
      unsynced_.push_back(std::move(file));
    else
      unsynced_.clear();
    return ok();
  }

  /// All drafts durable, then each under its name: none is renamed before its bytes are on the platter.
  Result<void> place_drafts() {
    if (drafts_.size() >= one_sync_from) IMPOUND_CHECK(vault_.sync_everything());
    for (DiskFile& file : unsynced_) IMPOUND_CHECK(file.sync());
    unsynced_.clear();
    // Replacing: a publish that was cut short may have left this name, over entries that were never acknowledged.
    for (std::string const& path : drafts_) IMPOUND_CHECK(vault_.rename(draft_of(path), path, Replace::yes));
    drafts_.clear();
    return ok();
  }

  static std::string draft_of(std::string const& path) { return path + ".tmp"; }

  /// Makes the folders on the way. Those this process has not seen durable are synced with the ones above them, also
  /// when they are there: the name may be from a run that died before its sync.
  Result<void> prepare(std::string_view folder) {
    for (std::size_t end = 0; end != folder.size();) {
      end = std::min(folder.find('/', end + 1), folder.size());
      std::string const part(folder.substr(0, end));
      if (durable_.contains(part) || !seen_.insert(part).second) continue;
      auto made = vault_.make_folder(part);
      if (!made && made.error().code != Code::exists) return std::move(made).error();
      to_sync_.emplace(folder_of(part));
    }
    to_sync_.emplace(folder);
    return ok();
  }

  Disk& vault_;
  TileBuilder tree_;
  std::set<std::string>& durable_;  // folders whose names are on the platter
  std::set<std::string> seen_;
  std::set<std::string> to_sync_;
  std::vector<std::string> drafts_;  // where each shall lie
  std::vector<DiskFile> unsynced_;   // the drafts, as long as each is synced by itself
  std::string bundle_;
  bool begun_ = false;
};

CustodyLog::CustodyLog(Disk& vault, Disk& state, SigningKey const& key, std::string origin, Journal journal)
    : vault_(vault), state_(state), key_(key), origin_(std::move(origin)), journal_(std::move(journal)) {}

Result<std::unique_ptr<CustodyLog>> CustodyLog::create(Disk& vault, Disk& state, SigningKey const& key,
                                                       std::string origin, std::string_view first_entry) {
  if (!note_name_allowed(origin))
    return Error{Code::usage, "the origin holds white space, '+' or is empty", origin, {}};
  for (auto const& [disk, path] : {std::pair{&vault, log_checkpoint_path}, std::pair{&state, last_checkpoint_path}}) {
    auto there = disk->facts_of(path);
    if (there) return Error{Code::exists, "there is a custody log already", std::string(path), {}};
    if (!absent(there.error())) return std::move(there).error();
  }
  IMPOUND_TRY(journal, Journal::open(vault));
  IMPOUND_CHECK(journal.start_anew());
  std::unique_ptr<CustodyLog> log(new CustodyLog(vault, state, key, std::move(origin), std::move(journal)));
  std::string const entry(first_entry);
  IMPOUND_CHECK(log->append(std::span{&entry, 1}));
  IMPOUND_CHECK(log->publish());
  return log;
}

Result<std::unique_ptr<CustodyLog>> CustodyLog::open(Disk& vault, Disk& state, SigningKey const& key,
                                                     std::string origin, Rollback rollback) {
  IMPOUND_TRY(journal, Journal::open(vault));
  std::unique_ptr<CustodyLog> log(new CustodyLog(vault, state, key, std::move(origin), std::move(journal)));
  IMPOUND_CHECK(log->compare_with_state(rollback));
  IMPOUND_CHECK(sweep_log(vault, log->published_size(), rollback == Rollback::accept ? Sweep::into_torn : Sweep::away));
  IMPOUND_CHECK(log->integrate_journal());
  return log;
}

Result<void> CustodyLog::compare_with_state(Rollback rollback) {
  NoteKey const key = key_.public_key(origin_);
  auto bytes = read_whole(vault_, log_checkpoint_path, note_bytes_max);
  if (!bytes && !absent(bytes.error())) return std::move(bytes).error();
  if (bytes) {
    auto checkpoint = read_checkpoint(bytes.value(), key);
    if (!checkpoint)
      return Error{Code::damaged,
                   "the checkpoint cannot be read: " + checkpoint.error().what,
                   std::string(log_checkpoint_path),
                   {}};
    published_ = CheckpointNote{std::move(checkpoint).value(), std::move(bytes).value()};
  }
  IMPOUND_TRY(last, read_last_checkpoint(state_, key));
  if (last) last_ = last->bytes;
  if (!published_ && !last) return ok();  // a creation cut short, or no log: the journal tells

  std::uint64_t const have = published_ ? published_->checkpoint.size : 0;
  if (last && last->checkpoint.size > have && rollback == Rollback::refuse) {
    IMPOUND_CHECK(finish_rename(*last));
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

/// last-checkpoint is ahead: when the bundles hash to its root, only the rename of log/checkpoint was cut off.
Result<void> CustodyLog::finish_rename(CheckpointNote const& last) {
  auto const behind = [&] {
    return rolled_back("the vault holds " + std::to_string(published_ ? published_->checkpoint.size : 0) +
                           " entries, " + std::to_string(last.checkpoint.size) + " were signed here",
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
          return tree.add(leaf_hash(bytes_of(entry)), [](TileName const&, Bytes) -> Result<void> { return ok(); });
        });
    if (!hashed) return behind();
  }
  if (tree.root() != last.checkpoint.root) return behind();
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
  IMPOUND_TRY(root, root_from(last.checkpoint.size,
                              stored_in_tiles(size, [this](TileName const& tile) { return read_tile(tile); })));
  if (root != last.checkpoint.root) return fork();
  return ok();
}

Result<void> CustodyLog::integrate_journal() {
  Integration integration(vault_, tree_, durable_folders_);
  IMPOUND_TRY(end, journal_.recover(tree_.size(),
                                    [&](std::uint64_t, std::string_view entry) { return integration.add(entry); }));
  if (end == 0)
    return Error{Code::not_found, "there is no custody log in the vault", std::string(log_checkpoint_path), {}};
  recovered_ = end - tree_.size();
  size_ = end;
  if (recovered_ > 0) IMPOUND_CHECK(integrate(integration));
  return journal_.start_anew();
}

Result<void> CustodyLog::integrate(Integration& integration) {
  // 1. Tiles. Nothing names them yet.
  IMPOUND_CHECK(integration.finish());
  Checkpoint const checkpoint{origin_, integration.tree().size(), integration.tree().root()};
  must(checkpoint.size == size_);
  std::string note = sign_checkpoint(checkpoint, key_);
  auto const again = read_checkpoint(note, key_.public_key(origin_));
  must(again && again.value() == checkpoint);
  // 2. What this agent has signed is remembered outside the vault, before anybody can see it.
  IMPOUND_CHECK(swap_last_checkpoint(state_, last_ ? std::optional<std::string_view>(*last_) : std::nullopt, note));
  last_ = note;
  // 3. The checkpoint is out.
  IMPOUND_CHECK(write_whole(vault_, log_checkpoint_path, bytes_of(note), Replace::yes));
  std::uint64_t const before = tree_.size();
  tree_ = std::move(integration.tree());
  published_ = CheckpointNote{checkpoint, std::move(note)};
  // 4. Stale partial tiles; a power cut may bring them back, the next start sweeps.
  for (TileName const& tile : partial_tiles(before)) {
    if (tile_belongs(tile, checkpoint.size)) continue;
    if (auto gone = vault_.remove(log_path(tile)); !gone && !absent(gone.error())) return std::move(gone).error();
    bool const folder_stays = tile.index == hashes_at(tile.level, checkpoint.size) / tile_width &&
                              hashes_at(tile.level, checkpoint.size) % tile_width != 0;
    if (folder_stays) continue;
    std::string const folder(folder_of(log_path(tile)));
    (void)vault_.remove_folder(folder);  // a stranger's file in it stays for verify to name
    durable_folders_.erase(folder);
  }
  return ok();
}

Result<std::uint64_t> CustodyLog::append(std::span<std::string const> entries) {
  IMPOUND_CHECK(not_poisoned());
  std::uint64_t bytes = 0;
  for (std::string const& entry : entries) {
    if (entry.empty() || entry.size() > entry_bytes_max)
      return Error{Code::refused, "an entry has no bytes, or more than 65,535", {}, {}};
    bytes += 4 + entry.size();
  }
  if (entries.empty() || entries.size() > journal_file_entries_max || bytes > journal_group_bytes_max)
    return Error{Code::refused, "a group of entries is empty, or larger than the journal takes", {}, {}};
  if (!journal_.has_room(entries)) IMPOUND_CHECK(publish());
  if (auto written = journal_.append(size_, entries); !written) {
    // A full disk, found before anything was synced, leaves the journal as it was: when there is room again, go on.
    if (journal_.intact()) return std::move(written).error();
    return poison(std::move(written).error());
  }
  return std::exchange(size_, size_ + entries.size());
}

Result<void> CustodyLog::publish() {
  IMPOUND_CHECK(not_poisoned());
  if (size_ == tree_.size()) return ok();
  unsigned const file = journal_.turn();
  Integration integration(vault_, tree_, durable_folders_);
  auto run = [&]() -> Result<void> {
    IMPOUND_CHECK(journal_.each(file, [&](std::uint64_t, std::string_view entry) { return integration.add(entry); }));
    IMPOUND_CHECK(integrate(integration));
    return journal_.empty(file);
  };
  if (auto done = run(); !done) return poison(std::move(done).error());
  return ok();
}

Result<std::string> CustodyLog::read_tile(TileName const& tile) { return read_tile_at(vault_, tile); }

Error CustodyLog::poison(Error error) {
  poisoned_ = true;
  return error;
}

Result<void> CustodyLog::not_poisoned() const {
  if (poisoned_)
    return Error{Code::io,
                 "the custody log stopped at an earlier failure and takes nothing more",
                 {},
                 "Restart: the next start repairs it."};
  return ok();
}

}  // namespace impound::evidence
