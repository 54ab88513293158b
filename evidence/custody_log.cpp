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
  TileBuilder const& tree() const { return tree_; }

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

CustodyLog::CustodyLog(Disk& vault, Disk& state, LogKeys keys, std::string origin, Journal journal)
    : vault_(vault),
      state_(state),
      key_(keys.current),
      next_(keys.next),
      origin_(std::move(origin)),
      chain_(keys.first ? std::move(*keys.first) : keys.current->public_key(origin_)),
      journal_(std::move(journal)) {}

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
  std::unique_ptr<CustodyLog> log(
      new CustodyLog(vault, state, LogKeys{.current = &key}, std::move(origin), std::move(journal)));
  std::string const entry(first_entry);
  IMPOUND_CHECK(log->append(std::span{&entry, 1}));
  IMPOUND_CHECK(log->publish());
  return log;
}

Result<void> CustodyLog::integrate_journal() {
  Integration integration(vault_, tree_, durable_folders_);
  IMPOUND_TRY(end, journal_.recover(tree_.size(),
                                    [&](std::uint64_t, std::string_view entry) { return take(integration, entry); }));
  if (end == 0)
    return Error{Code::not_found, "there is no custody log in the vault", std::string(log_checkpoint_path), {}};
  recovered_ = end - tree_.size();
  size_ = end;
  if (recovered_ > 0) IMPOUND_CHECK(integrate(integration));
  return journal_.start_anew();
}

Result<void> CustodyLog::take(Integration& integration, std::string_view entry) {
  IMPOUND_CHECK(follow(integration, entry));
  return integration.add(entry);
}

/// A rotation among the entries that come under the next checkpoint: from there on the new key signs.
Result<void> CustodyLog::follow(Integration const& integration, std::string_view entry) {
  if (!may_be_rotation(entry)) return ok();
  std::uint64_t const index = integration.tree().size();
  auto const read = read_entry(index, entry);
  auto const rotation = read ? read_rotation(read.value()) : Result<KeyRotation>(read.error());
  // One that does not hold changes nothing; verify names it.
  if (!rotation || rotation.value().root != integration.tree().root() || !rotation_signed(rotation.value()) ||
      !chain_.add(rotation.value()))
    return ok();
  if (next_ == nullptr || !same_key(next_->public_key(origin_), chain_.newest()))
    return Error{Code::usage, "the key was rotated to " + chain_.newest().vkey() + ", and that key is not here",
                 "entry " + std::to_string(index), "Name its file with [vault] key."};
  return ok();
}

/// By the newest key; the first checkpoint behind a rotation by the old one, too.
Result<std::string> CustodyLog::signed_note(Checkpoint const& checkpoint) {
  SigningKey const* old_key = nullptr;
  if (!same_key(key_->public_key(origin_), chain_.newest()))
    old_key = std::exchange(key_, std::exchange(next_, nullptr));
  std::string note = sign_checkpoint(checkpoint, *key_);
  if (old_key != nullptr)
    note += signature_line(old_key->public_key(origin_), old_key->sign(bytes_of(checkpoint_text(checkpoint))));
  auto const again = read_checkpoint(note, chain_);
  must(again && again.value() == checkpoint);
  return note;
}

Result<void> CustodyLog::integrate(Integration& integration) {
  // 1. Tiles. Nothing names them yet.
  IMPOUND_CHECK(integration.finish());
  Checkpoint const checkpoint{origin_, integration.tree().size(), integration.tree().root()};
  must(checkpoint.size == size_);
  IMPOUND_TRY(note, signed_note(checkpoint));
  // 2. What this agent has signed is remembered outside the vault, before anybody can see it.
  IMPOUND_CHECK(swap_last_checkpoint(state_, last_ ? std::optional<std::string_view>(*last_) : std::nullopt, note));
  last_ = note;
  if (copies_ != nullptr) copies_->write(note);
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
    IMPOUND_CHECK(journal_.each(file, [&](std::uint64_t, std::string_view entry) { return take(integration, entry); }));
    IMPOUND_CHECK(integrate(integration));
    return journal_.empty(file);
  };
  if (auto done = run(); !done) return poison(std::move(done).error());
  return ok();
}

Result<void> CustodyLog::rotate(std::string const& entry, SigningKey const& next) {
  IMPOUND_CHECK(not_poisoned());
  must(size_ == tree_.size());
  KeyChain after = chain_;
  auto const read = read_entry(size_, entry);
  auto const rotation = read ? read_rotation(read.value()) : Result<KeyRotation>(read.error());
  if (!rotation || rotation.value().root != tree_.root() || !after.take(size_, entry) ||
      !same_key(after.newest(), next.public_key(origin_)))
    return Error{Code::refused, "this entry does not hand the log over to that key", {}, {}};
  next_ = &next;
  IMPOUND_CHECK(append(std::span{&entry, 1}));
  return publish();
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
