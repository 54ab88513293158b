#include "evidence/sealing.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/sealing_batch.h"
#include "evidence/system/descriptor.h"
#include "evidence/torn.h"
#include "evidence/values/must.h"
#include "evidence/vault.h"

namespace impound::evidence {

namespace {

constexpr char const* sealing_folder = "staging/sealing";
constexpr std::uint32_t sealed_mode = 0400;

Error refused(std::string what, std::string const& where) { return Error{Code::refused, std::move(what), where, {}}; }

}  // namespace

Sealing::Sealing(Disk& vault, std::uint32_t owner_uid, RecordEntries record, std::function<void()> pause,
                 SealingLimits limits, SealWith digests)
    : vault_(vault),
      owner_uid_(owner_uid),
      record_(std::move(record)),
      pause_(std::move(pause)),
      limits_(limits),
      digests_(digests) {}

Result<std::vector<SealedFile>> Sealing::seal(std::span<ToSeal const> files) {
  std::vector<SealedFile> sealed;
  // Every file of a batch stays open until it is in objects/.
  std::size_t const at_once = share_of_open_files(limits_.batch_files_max, 2);
  while (!files.empty()) {
    std::size_t const count = std::min(at_once, files.size());
    IMPOUND_CHECK(run_batch(files.first(count), sealed));
    files = files.subspan(count);
  }
  return sealed;
}

Result<SealedFile> Sealing::seal_bytes(Bytes bytes, EntryDraft exhibit) {
  IMPOUND_TRY(number, next_number());
  std::string const path = std::string(sealing_folder) + "/" + std::to_string(number) + ".bytes";
  {
    IMPOUND_TRY(file, DiskFile::open(vault_, path, Open::create));
    IMPOUND_CHECK(file.write(0, bytes));
  }
  ToSeal const one{path, bytes.size(), sha256(bytes), std::move(exhibit)};
  std::vector<SealedFile> sealed;
  // arrival makes a plan that died early provable, but bytes that never left our hands have no acquisition hash to
  // name.
  IMPOUND_CHECK(run_batch({&one, 1}, sealed));
  return std::move(sealed.front());
}

/// Numbers go up for as long as anything lies in staging/sealing, so no name is ever taken twice.
Result<std::uint64_t> Sealing::next_number() {
  if (!next_number_) {
    std::uint64_t highest = 0;
    IMPOUND_TRY(names, vault_.list(sealing_folder, 1'000'000));
    for (FolderEntry const& entry : names) {
      std::uint64_t number = 0;
      auto const [end, error] = std::from_chars(entry.name.data(), entry.name.data() + entry.name.size(), number);
      if (error == std::errc{}) highest = std::max(highest, std::min<std::uint64_t>(number, 1ull << 60));
    }
    next_number_ = highest + 1;
  }
  return (*next_number_)++;
}

Result<void> Sealing::run_batch(std::span<ToSeal const> files, std::vector<SealedFile>& sealed) {
  Batch batch;
  IMPOUND_TRY(number, next_number());
  batch.number = number;
  for (ToSeal const& file : files) {
    must(file.exhibit.id.has_value() && !file.staged_path.empty());
    batch.files.push_back({file.staged_path, file.size, file.arrival, file.exhibit});
  }
  batch.make_items();
  for (std::size_t i = 0; i < files.size(); ++i) batch.items[i].hashed = files[i].hashed;

  // 0: the plan. Before it is durable nothing is touched.
  IMPOUND_TRY(line, plan_line(batch.files));
  IMPOUND_TRY(plan, DiskFile::open(vault_, plan_path(number), Open::create));
  batch.plan = std::move(plan);
  IMPOUND_CHECK(batch.plan.write(0, bytes_of(line)));
  IMPOUND_CHECK(batch.plan.sync());
  IMPOUND_CHECK(vault_.sync_folder(sealing_folder));
  batch.plan_bytes = line.size();

  for (Item& item : batch.items) IMPOUND_CHECK(take_in(batch, item));  // 1 to 4
  IMPOUND_CHECK(note_digests(batch));                                  // 5
  IMPOUND_CHECK(make_durable(batch));
  // From here on recovery finishes the batch.
  IMPOUND_CHECK(move_to_objects(batch));                                     // 6
  IMPOUND_CHECK(record_batch(batch, [](EntryId const&) { return false; }));  // 7
  batch.plan.reset();
  IMPOUND_CHECK(vault_.remove(plan_path(number)));  // 8
  for (Item& item : batch.items) sealed.push_back(std::move(item.outcome));
  return ok();
}

/// Steps 1 to 4. What is wrong with the file itself refuses it; an Error is ours or the machine's.
Result<void> Sealing::take_in(Batch& batch, Item& item) {
  // Whatever keeps a strange file from being moved (gone, a link on the way, a name too long) concerns that file alone.
  if (auto moved = vault_.rename(item.planned->staged_path, item.held, Replace::no); !moved) {
    refuse(batch, item, std::move(moved).error());
    return ok();
  }
  if (auto wrong = open_and_check(batch, item)) {
    refuse(batch, item, std::move(*wrong));
    return ok();
  }
  return hash_held(batch, item);
}

/// Step 2.
std::optional<Error> Sealing::open_and_check(Batch& batch, Item& item) {
  std::string const& staged = item.planned->staged_path;
  auto before = vault_.facts_of(item.held);
  if (!before) return std::move(before).error();
  if (before.value().type != FileFacts::Type::file) return refused("not a regular file", staged);
  // A worker that holds a write lease makes the open fail at once (EAGAIN); it may let go.
  auto file = DiskFile::open(vault_, item.held, Open::read);
  for (unsigned tries = 1; !file && file.error().code == Code::io && tries < limits_.lease_tries &&
                           may_wait(batch.open_waits, limits_.open_waits_max);
       ++tries)
    file = DiskFile::open(vault_, item.held, Open::read);
  if (!file) return std::move(file).error();
  item.file = std::move(file).value();
  auto facts = item.file.facts();
  if (!facts) return std::move(facts).error();
  item.facts = facts.value();
  if (item.facts.type != FileFacts::Type::file) return refused("not a regular file", staged);
  if (item.facts.owner != owner_uid_) return refused("the file belongs to another user", staged);
  if (item.facts.links != 1) return refused("the file has another name by a hard link", staged);
  if (item.facts.size != item.planned->size)
    return refused("the file has " + std::to_string(item.facts.size) + " bytes, announced were " +
                       std::to_string(item.planned->size),
                   staged);
  return std::nullopt;
}

bool Sealing::may_wait(unsigned& waits, unsigned waits_max) {
  if (waits >= waits_max) return false;
  ++waits;
  if (pause_) pause_();
  return true;
}

/// Step 3.
Result<Lease> Sealing::try_lease(Batch& batch, Item& item) {
  while (true) {
    IMPOUND_TRY(lease, vault_.take_lease(item.file.handle()));
    if (lease != Lease::busy || !may_wait(batch.lease_waits, limits_.lease_tries - 1)) return lease;
  }
}

/// What the caller hashed, if it is this very file (the name may have been another's when it was opened) and nobody has
/// been able to write to it since.
bool Sealing::take_hashed(Item& item) {
  auto const hashed = std::exchange(item.hashed, nullptr);
  if (!hashed || !hashed->file) return false;
  auto const now = hashed->file.facts();
  bool const same_file = now && now.value().inode == item.facts.inode && now.value().device == item.facts.device;
  if (!same_file || now.value() != item.facts || hashed->facts != item.facts || digests_ != SealWith::sha256 ||
      !vault_.lease_held(hashed->file.handle())) {
    hashed->file.reset();  // and with it the lease
    return false;
  }
  item.file = std::move(hashed->file);
  item.leased = true;
  item.outcome.sha256 = hashed->sha256;
  return true;
}

/// Steps 3 and 4.
Result<void> Sealing::hash_held(Batch& batch, Item& item) {
  bool const hashed = take_hashed(item);
  for (unsigned tries = 0; tries < limits_.hash_tries; ++tries) {
    if (!item.original && !item.leased) {
      IMPOUND_TRY(lease, try_lease(batch, item));
      item.leased = lease == Lease::taken;
      if (!item.leased) {
        IMPOUND_TRY(copied, copy_in(item));
        if (copied.refused) {
          refuse(batch, item, std::move(*copied.refused));
          return ok();
        }
      }
    }
    auto unchanged = hashed ? Result<bool>{true} : hash_once(batch, item);
    if (!unchanged) {
      refuse(batch, item, std::move(unchanged).error());
      return ok();
    }
    if (!unchanged.value()) continue;
    if (item.planned->arrival && *item.planned->arrival != *item.outcome.sha256)
      refuse(batch, item,
             Error{Code::damaged,
                   "the bytes are not those that arrived: " + hex(*item.planned->arrival) + " then, " +
                       hex(*item.outcome.sha256) + " now",
                   item.planned->staged_path,
                   {}});
    return ok();
  }
  refuse(batch, item, refused("the file changed each time it was hashed", item.planned->staged_path));
  return ok();
}

/// The verification hash; the others, where asked for, out of the same pass.
Result<HashedBytes> Sealing::hash(Batch& batch, Item& item, DiskFile& file) {
  if (digests_ == SealWith::sha256) return hash_open_file(file, item.planned->size, batch.buffer);
  IMPOUND_TRY(hashed, hash_open_file_thrice(file, item.planned->size));
  item.outcome.further = hashed.further;
  return hashed.bytes;
}

/// False when the file may have changed under it.
Result<bool> Sealing::hash_once(Batch& batch, Item& item) {
  IMPOUND_TRY(hashed, hash(batch, item, item.file));
  IMPOUND_TRY(after, item.file.facts());
  if (!item.original && !vault_.lease_held(item.file.handle())) {
    item.leased = false;
    return false;
  }
  if (after != item.facts || hashed.size != item.planned->size) return false;
  item.outcome.sha256 = hashed.sha256;
  return true;
}

/// No lease: somebody may still write to it, or the file system knows none. Then the bytes go to a file that nobody
/// else has ever had open.
Result<Sealing::Admission> Sealing::copy_in(Item& item) {
  std::string const path = copy_path(item.held);
  IMPOUND_TRY(copy, DiskFile::open(vault_, path, Open::create));
  std::vector<std::byte> block(1 << 20);
  std::uint64_t done = 0;
  while (done <= item.planned->size) {
    auto count = item.file.read(done, block);
    if (!count) return Admission{std::move(count).error()};
    if (count.value() == 0) break;
    IMPOUND_CHECK(copy.write(done, Bytes{block}.first(count.value())));
    done += count.value();
  }
  item.original = std::exchange(item.held, path);
  item.file = std::move(copy);
  IMPOUND_TRY(facts, item.file.facts());
  item.facts = facts;
  if (done != item.planned->size)
    return Admission{refused("the file changed while it was copied", item.planned->staged_path)};
  return Admission{};
}

/// Step 5, first half. Not yet synced.
Result<void> Sealing::note_digests(Batch& batch) {
  PlannedDigests digests;
  for (std::size_t i = 0; i < batch.items.size(); ++i)
    if (!batch.items[i].left_out) digests[i] = *batch.items[i].outcome.sha256;
  IMPOUND_TRY(line, digests_line(digests));
  return batch.plan.write(batch.plan_bytes, bytes_of(line));
}

/// Step 5, second half: bytes, then names. A name in objects/ that survives a power cut without its bytes would be a
/// lie.
Result<void> Sealing::make_durable(Batch& batch) {
  std::size_t files = 0;
  for (Item& item : batch.items) {
    if (item.left_out || item.in_objects) continue;
    IMPOUND_CHECK(item.file.set_mode(sealed_mode));
    ++files;
  }
  if (files >= limits_.one_sync_from) return vault_.sync_everything();
  for (Item& item : batch.items)
    if (!item.left_out && !item.in_objects) IMPOUND_CHECK(item.file.sync());
  return batch.plan ? batch.plan.sync() : Result<void>(ok());
}

/// Step 6.
Result<void> Sealing::move_to_objects(Batch& batch) {
  for (Item& item : batch.items)
    if (!item.left_out) IMPOUND_CHECK(into_objects(batch, item));
  for (std::string const& folder : batch.touched) IMPOUND_CHECK(vault_.sync_folder(folder));
  for (std::string const& path : batch.to_drop) IMPOUND_CHECK(drop_if_there(path));
  return ok();
}

/// Somebody opens it for writing since it was hashed, and waits until the lease goes: by then it would be an object. It
/// goes with the last use of the file here: until then, as a rule, the bytes are those that were hashed.
Result<void> Sealing::replace_by_copy(Batch& batch, Item& item) {
  item.leased = false;
  IMPOUND_CHECK(drop_if_there(copy_path(item.held)));  // of a start that died here
  Sha256 const planned = *item.outcome.sha256;
  IMPOUND_TRY(copied, copy_in(item));
  if (copied.refused) return refuse(batch, item, std::move(*copied.refused)), ok();
  IMPOUND_TRY(hashed, hash_open_file(item.file, item.planned->size, batch.buffer));
  if (hashed.sha256 != planned || hashed.size != item.planned->size)
    return refuse(batch, item, refused("the file changed after it was hashed", item.planned->staged_path)), ok();
  IMPOUND_CHECK(item.file.set_mode(sealed_mode));
  return item.file.sync();
}

Result<void> Sealing::into_objects(Batch& batch, Item& item) {
  if (item.leased && !vault_.lease_held(item.file.handle())) {
    IMPOUND_CHECK(replace_by_copy(batch, item));
    if (item.left_out) return ok();
  }
  std::string const to = object_path(*item.outcome.sha256);
  batch.touched.insert(std::string(folder_of(to)));
  if (item.original) batch.to_drop.push_back(*item.original);
  if (item.in_objects) return ok();
  auto moved = vault_.rename(item.held, to, Replace::no);
  if (!moved && moved.error().code == Code::not_found) {
    // All 256 folders were made with the vault, but a copy of a vault may have lost those that were empty.
    IMPOUND_CHECK(make_folders(vault_, folder_of(to)));
    moved = vault_.rename(item.held, to, Replace::no);
  }
  if (!moved && moved.error().code == Code::exists) {
    // Present is not intact: the object is read again before an entry names it.
    IMPOUND_TRY(present, DiskFile::open(vault_, to, Open::read));
    IMPOUND_TRY(hashed, hash_open_file(present, item.planned->size, batch.buffer));
    if (hashed.sha256 != *item.outcome.sha256 || hashed.size != item.planned->size) {
      refuse(batch, item,
             Error{Code::damaged, "the object that is there has other bytes than its name says", to,
                   "Run impound verify."});
      return ok();
    }
    item.outcome.was_present = true;
    batch.to_drop.push_back(item.held);
  } else if (!moved) {
    return std::move(moved).error();
  }
  if (item.leased) vault_.drop_lease(item.file.handle());
  item.leased = false;
  item.file.reset();
  item.in_objects = true;
  return ok();
}

/// Step 7.
Result<std::size_t> Sealing::record_batch(Batch& batch, AlreadyLogged const& already_logged) {
  std::vector<EntryDraft> entries;
  for (Item& item : batch.items) {
    if (item.left_out) continue;
    item.outcome.exhibit = item.planned->exhibit.id;
    if (already_logged(*item.planned->exhibit.id)) continue;
    EntryDraft draft = item.planned->exhibit;
    draft.body["sha256"] = hex(*item.outcome.sha256);
    draft.body["size"] = json_number(item.planned->size);
    bool const from_outside = !item.planned->staged_path.starts_with(sealing_folder);
    if (item.outcome.further) {
      draft.body["sha1"] = hex(item.outcome.further->sha1);
      draft.body["md5"] = hex(item.outcome.further->md5);
    }
    if (item.planned->arrival && from_outside) draft.body["arrival_sha256"] = hex(*item.planned->arrival);
    entries.push_back(std::move(draft));
  }
  std::size_t const count = entries.size();
  if (count > 0) IMPOUND_CHECK(record_(std::move(entries)));
  return count;
}

void Sealing::refuse(Batch const& batch, Item& item, Error why) {
  if (item.leased) vault_.drop_lease(item.file.handle());
  item.leased = false;
  item.file.reset();
  item.left_out = true;
  item.outcome.refused = std::move(why);
  std::string const name = "sealing-" + std::to_string(batch.number) + "-" + std::to_string(&item - batch.items.data());
  // Kept if it can be: that it was refused is what must be told, whether the move works or not. What stays behind is
  // set aside by the next start.
  (void)set_aside(vault_, item.held, name);
  if (item.original) (void)set_aside(vault_, *item.original, name + ".original");
}

Result<void> Sealing::drop_if_there(std::string const& path) {
  auto gone = vault_.remove(path);
  if (!gone && gone.error().code != Code::not_found) return std::move(gone).error();
  return ok();
}

}  // namespace impound::evidence
