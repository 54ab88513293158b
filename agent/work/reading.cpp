#include "agent/work/reading.h"

#include "agent/work/session.h"

namespace impound::agent {

Result<VaultReading> VaultReading::open(Settings const& settings) {
  auto vault = evidence::Vault::open_for_reading(vault_folder(settings));
  if (!vault) return with_init_hint(std::move(vault).error(), settings);
  VaultReading reading;
  reading.vault = std::move(vault).value();
  IMPOUND_TRY(log, evidence::LogReader::open(reading.vault->disk(), reading.vault->identity().vkey));
  reading.log = std::make_unique<evidence::LogReader>(std::move(log));
  return reading;
}

Result<void> VaultReading::each(std::uint64_t from,
                                std::function<Result<void>(evidence::ReadEntry const&, std::string_view)> const& take) {
  return log->each(from, log->checkpoint().size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
    if (bytes.empty()) return ok();  // erased: the hole is `verify`'s to judge
    IMPOUND_TRY(entry, evidence::read_entry(index, bytes));
    return take(entry, bytes);
  });
}

Result<std::optional<LoggedEntry>> VaultReading::find(EntryId const& id) {
  std::optional<LoggedEntry> found;
  IMPOUND_CHECK(each(0, [&](evidence::ReadEntry const& entry, std::string_view bytes) -> Result<void> {
    if (!found && entry.id() == id) found = LoggedEntry{entry, std::string(bytes)};
    return ok();
  }));
  return found;
}

}  // namespace impound::agent
