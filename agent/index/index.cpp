#include "agent/index/index.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/index/rows.h"
#include "agent/index/schema.h"
#include "agent/index/sql.h"
#include "evidence/custody_entry.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/merkle.h"

namespace impound::index {

using evidence::LogReader;
using evidence::ReadEntry;
using soci::into;
using soci::use;

namespace {

constexpr std::array<char const*, 14> tables{
    "entries", "exhibits",     "objects",           "erasures",  "capture_attempts", "captures", "reference_lists",
    "items",   "acquisitions", "acquisition_names", "stampings", "sources",          "jobs",     "built"};

/// An entry of the tail orders one gone that has rows.
constexpr char const* erased_before = "an entry that has rows is ordered gone";

Result<Sha256> root_at(LogReader& log, std::uint64_t size) {
  if (size == log.checkpoint().size) return log.checkpoint().root;
  return MerkleProver{size, log.stored()}.root();
}

}  // namespace

Index::~Index() {
  if (held_) database_->roll_back();
}

Result<std::unique_ptr<Index>> Index::open(std::unique_ptr<Database> database) {
  std::unique_ptr<Index> index{new Index(std::move(database))};
  IMPOUND_CHECK(index->make_tables());
  return index;
}

Result<void> Index::make_tables() {
  int version = 0;
  auto const found = guarded(*database_, [&]() -> Result<void> {
    database_->sql() << "SELECT schema_version FROM built WHERE one = 1", into(version);
    return ok();
  });
  if (found && version == schema_version) return ok();
  if (!found && found.error().code == Code::damaged) return found.error();
  return guarded(*database_, [&]() -> Result<void> {
    soci::session& sql = database_->sql();
    // Another process may make them at the same time: what it has made is dropped and made again, still empty.
    sql << "BEGIN";
    try {
      for (char const* const table : tables) sql << "DROP TABLE IF EXISTS " << table;
      for (std::string const& statement : schema_statements()) sql << statement;
      sql << "INSERT INTO built (one, schema_version, log_size, log_root, purge) VALUES (1, " << schema_version
          << ", 0, '', 0)";
      sql << "COMMIT";
    } catch (soci::soci_error const&) {
      database_->roll_back();
      throw;
    }
    return ok();
  });
}

Index::Built Index::built() {
  long long size = 0;
  int purge = 0;
  Built built;
  database_->sql() << "SELECT log_size, log_root, purge FROM built WHERE one = 1", into(size), into(built.root),
      into(purge);
  built.size = static_cast<std::uint64_t>(std::max(0LL, size));
  built.purge = purge != 0;
  return built;
}

void Index::note_built(std::uint64_t size, std::string const& root) {
  long long const entries = static_cast<long long>(size);
  database_->sql() << "UPDATE built SET log_size = :size, log_root = :root WHERE one = 1", use(entries), use(root);
}

void Index::remove_rows(bool purge) {
  for (char const* const table : tables)
    if (std::string_view(table) != "built") database_->sql() << "DELETE FROM " << table;
  note_built(0, "");
  if (purge) database_->sql() << "UPDATE built SET purge = 1 WHERE one = 1";
}

Result<void> Index::start_over() {
  return guarded(*database_, [&]() -> Result<void> {
    Transaction writing{*database_, Transaction::For::writing};
    remove_rows(true);
    writing.commit();
    return ok();
  });
}

/// Whether what was indexed is how this log begins.
Result<bool> Index::begins(LogReader& log, Built const& built) {
  if (built.size == 0) return true;
  auto const root = root_at(log, built.size);
  if (!root) return root.error();
  return hex(root.value()) == built.root;
}

Result<Caught> Index::catch_up(LogReader& log, std::uint64_t entries_at_a_time) {
  std::uint64_t const size = log.checkpoint().size;
  for (bool first = true;; first = false) {
    auto const step = guarded(*database_, [&]() -> Result<std::optional<Caught>> {
      // Most questions find nothing to be done: no lock is taken for that.
      if (first) {
        Built const now = built();
        if (now.size == size && !now.purge && now.root == hex(log.checkpoint().root)) return std::optional{Caught::up};
      }
      Transaction writing{*database_, Transaction::For::writing};
      Built const before = built();
      if (before.size > size) return std::optional{Caught::ahead};
      IMPOUND_TRY(same, begins(log, before));
      if (!same) remove_rows(false);
      std::uint64_t const from = same ? before.size : 0;
      std::uint64_t const to = std::min(size, from + entries_at_a_time);
      if (from < to) {
        IMPOUND_CHECK(replay(log, from, to));
        IMPOUND_TRY(root, root_at(log, to));
        note_built(to, hex(root));
      }
      writing.commit();
      return to == size ? std::optional{Caught::up} : std::optional<Caught>{};
    });
    if (!step && step.error().what == erased_before) {
      IMPOUND_CHECK(rebuild_without_erased(log));
      continue;
    }
    if (!step) return step.error();
    if (!step.value()) continue;
    if (*step.value() == Caught::up) write_back_purged();
    return *step.value();
  }
}

Result<void> Index::replay(LogReader& log, std::uint64_t from, std::uint64_t to) {
  Rows rows{*database_};
  return log.each(from, to, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
    if (bytes.empty() || std::binary_search(passed_over_.begin(), passed_over_.end(), index)) return ok();
    IMPOUND_TRY(entry, evidence::read_entry(index, bytes));
    if (entry.kind() == "entry.erased")
      if (auto const gone = entry.number("index"); gone && *gone < index && rows.has(*gone))
        return Error{Code::refused, erased_before, "entry " + std::to_string(*gone), {}};
    rows.take(entry);
    return ok();
  });
}

/// The order is in the log before the entry is blanked there: all that are ordered gone are passed over.
Result<void> Index::rebuild_without_erased(LogReader& log) {
  passed_over_.clear();
  auto const read =
      log.each(0, log.checkpoint().size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
        if (bytes.find("\"entry.erased\"") == std::string_view::npos) return ok();
        IMPOUND_TRY(entry, evidence::read_entry(index, bytes));
        if (entry.kind() != "entry.erased") return ok();
        if (auto const gone = entry.number("index")) passed_over_.push_back(*gone);
        return ok();
      });
  if (!read) return read;
  std::sort(passed_over_.begin(), passed_over_.end());
  return start_over();
}

/// Best effort: while somebody reads an older state the bytes stay where they are, and the next one tries again.
void Index::write_back_purged() {
  (void)guarded(*database_, [&]() -> Result<void> {
    if (!built().purge || !database_->remove_set_aside() || !database_->write_back()) return ok();
    database_->sql() << "UPDATE built SET purge = 0 WHERE one = 1";
    return ok();
  });
}

Result<Caught> Index::hold_at(std::uint64_t size) {
  return guarded(*database_, [&]() -> Result<Caught> {
    Transaction reading{*database_, Transaction::For::reading};
    if (built().size != size) return Caught::ahead;
    reading.keep();
    held_ = true;
    return Caught::up;
  });
}

}  // namespace impound::index
