// The index of the custody log: where the answers stand, so that a question need not read all of it.
//
// The log is the only truth. The index carries the (size, root) up to which it was built, in the transaction of the
// rows themselves; catch_up() replays what came since, a few thousand entries a transaction, so that a kill in between
// costs one of them. What is not the beginning of the log (rolled back, another vault's, another version's tables) is
// thrown away and built anew. It answers with places in the log: what is said of an entry is read there, by the same
// code that would read the whole log.
//
// Erasure: when an entry.erased names an entry that has rows here, all rows are removed (their bytes overwritten, the
// write-ahead log cut) and built again without it.
//
// Errors are the database's (database.h) and the log's own. One thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/index/database.h"
#include "evidence/log_reader.h"
#include "evidence/values/digest.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/info_hash.h"

namespace impound::index {

/// Of other versions' tables nothing is taken over.
inline constexpr int schema_version = 1;

/// Places in the log, ascending, each once.
using Places = std::vector<std::uint64_t>;
/// All of them as one.
Places joined(std::initializer_list<Places> parts);

/// What `impound status` counts.
struct Counts {
  std::uint64_t objects = 0, bytes = 0;  // that are there
  std::uint64_t captured = 0;
  struct Results {
    std::string state;
    std::uint64_t count = 0;
  };
  std::vector<Results> results{};  // of acquisitions, by their state
};

struct SourceCounts {
  std::string name, state, last_utc;
  bool polled = false;  // else only its state is known
  std::uint64_t polls = 0, fresh = 0, failed = 0;
};

/// What `impound reindex` tells.
struct RowCounts {
  std::uint64_t entries = 0, exhibits = 0, captures = 0, acquisitions = 0, items = 0, jobs = 0, open_jobs = 0;
};

enum class Caught { up, ahead };  // ahead: the index has more than this reader; open a newer one

class Index {
 public:
  /// Makes the tables where they are missing, or another version's.
  static Result<std::unique_ptr<Index>> open(std::unique_ptr<Database> database);
  ~Index();

  Database& database() { return *database_; }
  /// Brings it to the reader's checkpoint. `entries_at_a_time`: of a transaction.
  Result<Caught> catch_up(evidence::LogReader& log, std::uint64_t entries_at_a_time = 4096);
  /// All rows go; the next catch_up() begins with the first entry.
  Result<void> start_over();
  /// From here on every question is answered as of `size`, until the index is closed. `ahead` as with catch_up().
  Result<Caught> hold_at(std::uint64_t size);

  /// The entry with this id; of several the first.
  Result<std::optional<std::uint64_t>> entry(EntryId const& id);
  Result<Places> of_kind(std::string_view kind);
  Result<Places> newest_of_kind(std::string_view kind, std::size_t count_max);
  /// exhibit.erased and entry.erased about an exhibit, a capture or an entry.
  Result<Places> erasures_of(EntryId const& id);
  /// What makes up an answer about a torrent: its attempts, what is of them, and what is told of their exhibits.
  Result<Places> of_torrent(InfoHashes const& hashes);
  /// Exhibits of an object, and what is told of them.
  Result<Places> of_object(Sha256 const& object);
  /// Of acquisitions that are open: the attempts, what they wait for, and the newest exhibit of each.
  Result<Places> of_open_acquisitions();
  /// Timestamps: attempts without a result, and the result that anchored most.
  Result<Places> of_timestamps();
  Result<Counts> counts();
  Result<std::vector<SourceCounts>> sources();
  Result<RowCounts> rows();

 private:
  explicit Index(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  struct Built {
    std::uint64_t size = 0;
    std::string root;
    bool purge = false;
  };
  Result<void> make_tables();
  Built built();
  void note_built(std::uint64_t size, std::string const& root);
  void remove_rows(bool purge);
  Result<bool> begins(evidence::LogReader& log, Built const& built);
  Result<void> replay(evidence::LogReader& log, std::uint64_t from, std::uint64_t to);
  Result<void> rebuild_without_erased(evidence::LogReader& log);
  void write_back_purged();

  std::unique_ptr<Database> database_;
  std::vector<std::uint64_t> passed_over_;  // entries that are ordered gone and not blanked yet, ascending
  bool held_ = false;
};

}  // namespace impound::index
