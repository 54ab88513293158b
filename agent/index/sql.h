// Private to agent/index: SOCI, and the line behind which its exceptions are Errors.
#pragma once

#include <soci/soci.h>

#include <exception>
#include <string>
#include <utility>

#include "agent/index/database.h"

namespace impound::index {

/// What an exception of SOCI means.
Error error_of(std::exception const& thrown, std::string const& place);

/// `work` gives a Result; what it throws is one, too.
template <class Work>
auto guarded(Database const& database, Work&& work) -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (soci::soci_error const& thrown) {
    return error_of(thrown, database.place());
  }
}

/// Rolled back unless it was committed.
class Transaction {
 public:
  enum class For { reading, writing };
  Transaction(Database& database, For what) : database_(&database) {
    if (what == For::writing)
      database.begin_write();
    else
      database.begin_read();
  }
  ~Transaction() {
    if (database_ != nullptr) database_->roll_back();
  }
  Transaction(Transaction const&) = delete;
  Transaction& operator=(Transaction const&) = delete;
  void commit() {
    database_->commit();
    database_ = nullptr;
  }
  /// It is somebody else's to end.
  void keep() { database_ = nullptr; }

 private:
  Database* database_;
};

/// Calls `row` for each row, which `into` was filled with.
template <class Row>
void each_row(soci::statement& statement, Row&& row) {
  statement.execute(false);
  while (statement.fetch()) row();
}

}  // namespace impound::index
