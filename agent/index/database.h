// One SQL database behind SOCI: STATE/index.sqlite, or one in memory where STATE cannot be written.
//
// SQLite with a write-ahead log: readers and one writer do not wait for each other, and a power cut costs at most the
// last transactions (synchronous = NORMAL), which the custody log still has. Deleted bytes are overwritten
// (secure_delete). The file is 0600. It is opened, and replaced, under a lock of its own (index.lock), so that nobody
// meets the file of one database and the write-ahead log of another.
//
// Nothing throws: sql.h turns SOCI's exceptions into an Error whose `where` is place(). Code::damaged: no SQLite file,
// or one that is corrupt; Code::no_space, Code::read_only, Code::io: the machine's. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace soci {
class session;
}

namespace impound::index {

inline constexpr std::string_view index_file = "index.sqlite";

class Database {
 public:
  /// `state` must outlive it.
  static Result<std::unique_ptr<Database>> open(LinuxDisk& state);
  static Result<std::unique_ptr<Database>> in_memory();
  /// Any other that takes plain SQL, e.g. PostgreSQL.
  explicit Database(std::unique_ptr<soci::session> session);
  ~Database();
  Database(Database const&) = delete;
  Database& operator=(Database const&) = delete;

  /// Removes the database and what SQLite keeps beside it; nobody may have it open in this process.
  static Result<void> remove(LinuxDisk& state);
  /// Out of the way, for whoever wants to look at it: index.sqlite.damaged, of which there is one.
  static Result<void> set_aside(LinuxDisk& state);

  soci::session& sql() { return *session_; }
  /// "index.sqlite", for messages.
  std::string const& place() const { return place_; }
  bool on_disk() const { return state_ != nullptr; }
  /// Nobody else writes until it is over. Throws as SOCI does.
  void begin_write();
  /// Everything is read as it is now, until it is over. Throws as SOCI does.
  void begin_read();
  void commit();
  void roll_back() noexcept;
  /// What was set aside goes for good: it may have rows of what is erased.
  Result<void> remove_set_aside();
  /// The write-ahead log's bytes go into the file, and it is cut to nothing. False while somebody reads. Throws as SOCI
  /// does.
  bool write_back();

 private:
  Database(std::unique_ptr<soci::session> session, std::string place, LinuxDisk* state);

  std::unique_ptr<soci::session> session_;
  std::string place_;
  LinuxDisk* state_ = nullptr;  // where its file lies
  bool sqlite_ = false;
};

}  // namespace impound::index
