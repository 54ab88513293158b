// A vault opened by a command that only reads: no lock, the newest checkpoint taken once, never looked past its size.
#pragma once

#include <functional>
#include <memory>

#include "agent/settings/settings.h"
#include "evidence/custody_entry.h"
#include "evidence/log_reader.h"
#include "evidence/vault.h"

namespace impound::agent {

/// An entry as it was read, and as it was logged.
struct LoggedEntry {
  evidence::ReadEntry entry;
  std::string bytes;
};

struct VaultReading {
  std::unique_ptr<evidence::Vault> vault;
  std::unique_ptr<evidence::LogReader> log;

  /// Code::usage with the `init` line when there is no vault.
  static Result<VaultReading> open(Settings const& settings);
  /// Every entry from `from` on, in order, as it was logged (`bytes`) and read.
  Result<void> each(std::uint64_t from,
                    std::function<Result<void>(evidence::ReadEntry const& entry, std::string_view bytes)> const& take);
  Result<std::optional<LoggedEntry>> find(EntryId const& id);
};

}  // namespace impound::agent
