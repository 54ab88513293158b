// Private to agent/index: an entry as rows. The same entries in the same order give the same rows, whether they came at
// once or over months; only what a lease or `jobs retry` left in the queue is not the log's.
//
// Within one writing transaction of the database. Throws as SOCI does. One thread.
#pragma once

#include "agent/index/sql.h"
#include "evidence/custody_entry.h"

namespace impound::index {

class Rows {
 public:
  explicit Rows(Database& database);

  void take(evidence::ReadEntry const& entry);
  /// Whether there is a row of this entry: what is erased must leave none.
  bool has(std::uint64_t log_index);

 private:
  void take_exhibit(evidence::ReadEntry const& entry);
  void take_erasure(evidence::ReadEntry const& entry);
  void take_capture_attempt(evidence::ReadEntry const& entry);
  void take_capture_result(evidence::ReadEntry const& entry);
  void take_item(evidence::ReadEntry const& entry, std::string const& outcome, long long found,
                 std::string const& source, std::string const& key, std::string const& route);
  void take_acquisition(evidence::ReadEntry const& entry);
  void take_stall(evidence::ReadEntry const& entry);
  void take_acquisition_result(evidence::ReadEntry const& entry);
  void name_acquisition(std::string const& attempt, evidence::ReadEntry const& entry);
  void take_stamping(evidence::ReadEntry const& entry);
  void take_source(evidence::ReadEntry const& entry);
  void take_closed(evidence::ReadEntry const& entry);
  void open_job(evidence::ReadEntry const& entry, std::string const& kind, Json const& subject,
                std::string const& route);
  void close_job(std::string const& id, std::string const& state);

  Database& database_;
  soci::session& sql_;
  // Bound to the statements below.
  long long index_ = 0, size_ = 0, found_ = 0;
  std::string id_, kind_, of_, role_, sha256_, source_, key_, route_, outcome_;
  soci::statement entry_, exhibit_, object_, attempt_, attempt_over_, capture_;
};

}  // namespace impound::index
