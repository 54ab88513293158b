// Erasures for tests: a vault's log as ErasureLog, and what lies where afterwards.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "evidence/erasure.h"
#include "evidence/log_reader.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {

inline Result<LogReader> read_test_log(Disk& vault) {
  return LogReader::open(vault, test_key().vkey(TestVault::origin));
}

inline ErasureLog erasure_log(Disk& vault, TestVault& writer) {
  return {[&vault] { return read_test_log(vault); },
          [&writer](std::vector<EntryDraft> drafts) { return writer.record(drafts); },
          [&writer] { return writer.log().publish(); }};
}

inline ErasureOrder erasure_order(std::vector<std::uint64_t> exhibits, std::vector<std::uint64_t> entries) {
  return {std::move(exhibits), std::move(entries), "Court of X, 17/2017", "contraband", {"user", "A. Noone", 1000}};
}

/// The indexes of the entries of a kind, in order; blanked ones are passed over.
inline std::vector<std::uint64_t> of_kind(Disk& vault, std::string const& kind) {
  std::vector<std::uint64_t> found;
  auto reader = read_test_log(vault);
  REQUIRE(reader);
  REQUIRE(reader.value().each(0, reader.value().checkpoint().size,
                              [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
                                if (bytes.empty()) return ok();
                                IMPOUND_TRY(entry, read_entry(index, bytes));
                                if (entry.kind() == kind) found.push_back(index);
                                return ok();
                              }));
  return found;
}

/// Files that hold these bytes as they are.
inline std::vector<std::string> files_with(SimulatedDisk const& disk, std::string const& bytes) {
  std::vector<std::string> found;
  for (std::string const& file : disk.files())
    if (disk.content(file).find(bytes) != std::string::npos) found.push_back(file);
  return found;
}

}  // namespace impound::evidence
