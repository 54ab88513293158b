// Sealing: how a file that somebody else wrote becomes an exhibit that nobody can change.
//
// The promise: when seal() returns, every file of it that is not refused lies durable and read-only at
// objects/<hh>/<its SHA-256>, and its entry is recorded; whatever step the power fails at, recover() carries the plan
// on or gives the files back, and no name in objects/ ever has other bytes than its own. The steps of one batch, at
// most 1,000 files:
//
//     0  staging/sealing/<n>.plan: every file with its exhibit's draft              durable (file and folder)
//     1  rename staged → staging/sealing/<n>-<i>        from here on the worker has no way to open it anew
//     2  open without following, check: regular, ours, one link, the announced size
//     3  read lease: refused while anybody can still write it; then tried again, then a copy of our own is sealed. All
//        files of a batch share the waiting, so that many that stay busy hold up nobody
//     4  hash; the lease is still held and the facts are the same, or once more. What the caller hashed itself under a
//        lease that has been held since (HashedFile) is not hashed again
//     5  digests appended to the plan; 0400; data synced: one syncfs from 200 files on, else each file
//     6  the lease is still held, or a copy is made and hashed; rename without replacing → objects/, then the lease
//        goes. There already: that object is hashed again
//        each folder of objects/ that was touched is synced once
//     7  the entries, one group
//     8  the plan is removed
//
// Lost after a cut: a plan without digests proves nothing about the bytes (they were never synced), so unless a digest
// was taken on arrival its files go back to where they were staged, for the acquisition to check and hand over again. A
// plan with digests is finished: each file is looked for in objects/, staging/sealing and its staged place, and hashed
// again; once more from the disk itself behind the sync, for the process before may have died of one that failed.
//
// What cannot be sealed is refused file by file, moved to staging/torn and told in its SealedFile: the caller makes it
// `incident.raised`. An Error of the whole call (a failed sync, a full disk, the log) leaves the plan for recover().
// One thread, the agent's writer. SIGIO must be ignored by the process: breaking a lease raises it.
// Source: fcntl(2) on leases; the order data sync, rename, folder sync was measured against power cuts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/open_file_hash.h"
#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// Records the entries as one group, durable when it returns.
using RecordEntries = std::function<Result<void>(std::vector<EntryDraft>)>;

/// A file that was opened, leased and hashed from its first byte to its last before it is sealed: as long as the lease
/// is held, nobody has had it open for writing.
struct HashedFile {
  DiskFile file{};  // with the lease
  FileFacts facts{};
  Sha256 sha256{};
};

struct ToSeal {
  std::string staged_path;          // beneath the vault's staging/, any bytes
  std::uint64_t size = 0;           // as announced
  std::optional<Sha256> arrival{};  // the digest taken as the bytes came in
  EntryDraft exhibit;  // exhibit.sealed with its id set; `sha256`, `size`, `arrival_sha256` (where one was taken),
                       // `sha1` and `md5` (where asked for) are added to its body
  std::shared_ptr<HashedFile> hashed{};  // taken over, and of use only if it is the file at staged_path
};

/// An object that an entry names already.
struct PresentObject {
  Sha256 sha256{};
  std::uint64_t size = 0;
  EntryDraft exhibit;  // exhibit.sealed with its id set; `sha256`, `size` and further digests are added to its body
};

struct SealedFile {
  std::string staged_path;
  std::optional<Sha256> sha256{};
  std::optional<FurtherDigests> further{};
  std::optional<EntryId> exhibit{};
  std::optional<Error> refused{};
  bool was_present = false;  // the object was there already
};

/// What sealing hashes a file with. The others follow as `exhibit.digested` when there is time.
enum class SealWith { sha256, sha256_sha1_md5 };

struct SealingLimits {
  std::size_t batch_files_max = 1'000;  // also bounded by half of RLIMIT_NOFILE: each file stays open with its lease
  std::size_t one_sync_from = 200;      // files from which one syncfs is cheaper than a sync for each
  unsigned lease_tries = 5;             // `pause` is called between them, for all files of a batch together
  unsigned open_waits_max = 40;         // of all files together, each at most `lease_tries` - 1: then they are refused
  unsigned hash_tries = 3;              // when the file changed while it was hashed
};

/// What recover() did beside recording entries: for the log line and for incidents.
struct SealingRecovery {
  std::size_t plans = 0;
  std::vector<std::string> given_back;  // staged paths that hold their file again, if it survived
  std::vector<SealedFile> refused;
  std::vector<std::string> set_aside;  // now in staging/torn: files of staging/sealing that no plan names
};

class Sealing {
 public:
  /// `owner_uid`: whose files may be sealed. `pause` waits about a second between two tries for a lease (tests:
  /// nothing).
  Sealing(Disk& vault, std::uint32_t owner_uid, RecordEntries record, std::function<void()> pause = {},
          SealingLimits limits = {}, SealWith digests = SealWith::sha256);

  /// In the order given, one SealedFile for each.
  Result<std::vector<SealedFile>> seal(std::span<ToSeal const> files);

  /// Bytes the agent holds itself: a .torrent, a file list, settings.
  Result<SealedFile> seal_bytes(Bytes bytes, EntryDraft exhibit);

  /// Objects that are there already, as exhibits of another origin: each is hashed again, and refused when it is not
  /// there or has other bytes. In the order given; the entries are one group.
  Result<std::vector<SealedFile>> seal_present(std::span<PresentObject const> objects);

  /// At start, before anything is sealed: carries every plan on. `already_logged` says whether the log has that
  /// exhibit. Gives the number of entries recorded.
  Result<std::size_t> recover(std::function<bool(EntryId const&)> const& already_logged);
  SealingRecovery const& recovery() const { return recovery_; }

 private:
  struct Item;
  struct Batch;
  struct Admission {
    std::optional<Error> refused{};
  };
  using AlreadyLogged = std::function<bool(EntryId const&)>;

  Result<std::uint64_t> next_number();
  Result<HashedBytes> hash(Batch& batch, Item& item, DiskFile& file);
  Result<void> run_batch(std::span<ToSeal const> files, std::vector<SealedFile>& sealed);
  Result<void> take_in(Batch& batch, Item& item);
  std::optional<Error> open_and_check(Batch& batch, Item& item);
  Result<void> hash_held(Batch& batch, Item& item);
  Result<bool> hash_once(Batch& batch, Item& item);
  bool take_hashed(Item& item);
  bool may_wait(unsigned& waits, unsigned waits_max);
  Result<Lease> try_lease(Batch& batch, Item& item);
  Result<Admission> copy_in(Item& item);
  Result<void> note_digests(Batch& batch);
  Result<void> make_durable(Batch& batch);
  Result<void> read_back(Batch& batch);
  Result<void> move_to_objects(Batch& batch);
  Result<void> into_objects(Batch& batch, Item& item);
  Result<void> replace_by_copy(Batch& batch, Item& item);
  Result<std::size_t> record_batch(Batch& batch, AlreadyLogged const& already_logged);
  void refuse(Batch const& batch, Item& item, Error why);

  Result<std::size_t> recover_plan(std::uint64_t number, AlreadyLogged const& already_logged);
  Result<bool> find_again(Batch& batch, Item& item, Sha256 const& digest);
  bool is_nowhere(Item const& item);
  Result<void> give_back(Batch const& batch, Item& item);
  Result<void> drop_if_there(std::string const& path);
  Result<void> clear_leftovers();

  Disk& vault_;
  std::uint32_t owner_uid_;
  RecordEntries record_;
  std::function<void()> pause_;
  SealingLimits limits_;
  SealWith digests_;
  std::optional<std::uint64_t> next_number_;
  SealingRecovery recovery_;
};

}  // namespace impound::evidence
