#include "agent/index/database.h"

#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/file.h>

#include "agent/index/sql.h"

namespace impound::index {

namespace {

constexpr int corrupt = 11, full = 13, cannot_open = 14, read_only = 8, not_a_database = 26;  // sqlite.org/rescode.html
constexpr char const* wait_for_others_s = "60";

std::string beside(std::string_view suffix) { return std::string(index_file) + std::string(suffix); }

/// Held while the database is opened or replaced.
Result<DiskFile> lock(LinuxDisk& state) {
  IMPOUND_TRY(file, DiskFile::open(state, "index.lock", Open::write_or_create));
  while (::flock(file.handle(), LOCK_EX) != 0)
    if (errno != EINTR) return from_errno(errno, "cannot lock the index", "index.lock");
  return file;
}

Result<void> remove_if_there(Disk& state, std::string const& name) {
  auto const removed = state.remove(name);
  if (!removed && removed.error().code != Code::not_found) return removed.error();
  return ok();
}

/// Of every new connection. The first read opens the write-ahead log as well.
void prepare(soci::session& sql) {
  for (char const* const pragma : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL",
                                   "PRAGMA secure_delete = ON", "PRAGMA temp_store = MEMORY"}) {
    std::string said;
    sql << pragma, soci::into(said);
  }
  long long tables = 0;
  sql << "SELECT COUNT(*) FROM sqlite_master", soci::into(tables);
}

}  // namespace

Error error_of(std::exception const& thrown, std::string const& place) {
  Code code = Code::io;
  if (auto const* const by_sqlite = dynamic_cast<soci::sqlite3_soci_error const*>(&thrown)) {
    int const result = by_sqlite->result() & 0xff;
    if (result == corrupt || result == not_a_database) code = Code::damaged;
    if (result == full) code = Code::no_space;
    if (result == read_only || result == cannot_open) code = Code::read_only;
  }
  return Error{code, std::string("the index: ") + thrown.what(), place, "impound reindex makes it anew"};
}

Database::Database(std::unique_ptr<soci::session> session)
    : session_(std::move(session)), place_(session_->get_backend_name()) {}

Database::Database(std::unique_ptr<soci::session> session, std::string place, LinuxDisk* state)
    : session_(std::move(session)), place_(std::move(place)), state_(state), sqlite_(true) {}

Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(LinuxDisk& state) {
  IMPOUND_TRY(locked, lock(state));
  // Made here, for SQLite would leave its mode to the umask. One that is there is not touched: to close a descriptor of
  // it would drop the locks of this process's other connections (fcntl).
  if (auto const there = state.facts_of(index_file); !there && there.error().code == Code::not_found) {
    IMPOUND_TRY(made, DiskFile::open(state, index_file, Open::create));
    IMPOUND_CHECK(made.set_mode(0600));
  }
  std::string const place{index_file};
  try {
    std::string const path = "/proc/self/fd/" + std::to_string(state.folder()) + "/" + place;
    auto session = std::make_unique<soci::session>(soci::sqlite3, "dbname=" + path + " timeout=" + wait_for_others_s);
    prepare(*session);
    return std::unique_ptr<Database>{new Database(std::move(session), place, &state)};
  } catch (soci::soci_error const& thrown) {
    return error_of(thrown, place);
  }
}

Result<std::unique_ptr<Database>> Database::in_memory() {
  try {
    auto session = std::make_unique<soci::session>(soci::sqlite3, "dbname=:memory:");
    return std::unique_ptr<Database>{new Database(std::move(session), "memory", nullptr)};
  } catch (soci::soci_error const& thrown) {
    return error_of(thrown, "memory");
  }
}

Result<void> Database::remove(LinuxDisk& state) {
  IMPOUND_TRY(locked, lock(state));
  for (char const* const suffix : {"", "-wal", "-shm", ".damaged"})
    IMPOUND_CHECK(remove_if_there(state, beside(suffix)));
  return ok();
}

Result<void> Database::set_aside(LinuxDisk& state) {
  IMPOUND_TRY(locked, lock(state));
  IMPOUND_CHECK(state.rename(index_file, beside(".damaged"), Replace::yes));
  for (char const* const suffix : {"-wal", "-shm"}) IMPOUND_CHECK(remove_if_there(state, beside(suffix)));
  return ok();
}

Result<void> Database::remove_set_aside() {
  if (!on_disk()) return ok();
  return remove_if_there(*state_, beside(".damaged"));
}

void Database::begin_write() {
  if (sqlite_) {
    *session_ << "BEGIN IMMEDIATE";
    return;
  }
  *session_ << "BEGIN";
  *session_ << "LOCK TABLE built IN EXCLUSIVE MODE";
}

void Database::begin_read() { *session_ << (sqlite_ ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ"); }

void Database::commit() { *session_ << "COMMIT"; }

void Database::roll_back() noexcept {
  try {
    *session_ << "ROLLBACK";
  } catch (std::exception const&) {
    // SQLite has rolled back by itself.
  }
}

bool Database::write_back() {
  if (!on_disk()) return true;
  int busy = 1;
  *session_ << "PRAGMA wal_checkpoint(TRUNCATE)", soci::into(busy);
  return busy == 0;
}

}  // namespace impound::index
