#include "agent/work/reading.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/work/session.h"
#include "evidence/formats/tlog_tile.h"

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
  IMPOUND_TRY(place, ask([&](index::Index& index) { return index.entry(id); }));
  if (!place) return found;
  IMPOUND_CHECK(each_of({*place}, [&](evidence::ReadEntry const& entry, std::string_view bytes) -> Result<void> {
    if (entry.id() == id) found = LoggedEntry{entry, std::string(bytes)};
    return ok();
  }));
  return found;
}

/// Entries lie in bundles of 256: each is opened once.
Result<void> VaultReading::each_of(
    index::Places const& places,
    std::function<Result<void>(evidence::ReadEntry const&, std::string_view)> const& take) {
  for (auto first = places.begin(); first != places.end();) {
    std::uint64_t const bundle = *first / tile_width;
    auto const end = std::find_if(first, places.end(), [&](std::uint64_t at) { return at / tile_width != bundle; });
    auto next = first;
    IMPOUND_CHECK(log->each(*first, *(end - 1) + 1, [&](std::uint64_t at, std::string_view bytes) -> Result<void> {
      if (at != *next) return ok();
      ++next;
      if (bytes.empty()) return ok();
      IMPOUND_TRY(entry, evidence::read_entry(at, bytes));
      return take(entry, bytes);
    }));
    first = end;
  }
  return ok();
}

Result<void> VaultReading::open_index() {
  if (indexed) return ok();
  if (!state)
    if (auto folder = LinuxDisk::open_at(state_folder(vault->identity()))) state = std::move(folder).value();
  if (state) {
    auto opened = open_index_in(false);
    if (!opened && set_aside_if_damaged(opened.error())) opened = open_index_in(false);
    if (opened) return ok();
    // Not the machine's folder, but the log: that is for whoever asks.
    if (opened.error().where != index::index_file && opened.error().where != "index.lock") return opened;
    spdlog::info("event=index_in_memory why=\"{}\"", line(opened.error()));
  }
  return open_index_in(true);
}

Result<void> VaultReading::open_index_in(bool memory) {
  indexed.reset();
  IMPOUND_TRY(database, memory ? index::Database::in_memory() : index::Database::open(*state));
  IMPOUND_TRY(opened, index::Index::open(std::move(database)));
  for (;;) {
    IMPOUND_TRY(caught, opened->catch_up(*log));
    std::uint64_t const size = log->checkpoint().size;
    if (caught == index::Caught::up) {
      IMPOUND_TRY(held, opened->hold_at(size));
      if (held == index::Caught::up) break;
    }
    // Another process has read on. If there is no newer checkpoint, the log was rolled back.
    IMPOUND_TRY(newer, evidence::LogReader::open(vault->disk(), vault->identity().vkey));
    log = std::make_unique<evidence::LogReader>(std::move(newer));
    if (caught == index::Caught::ahead && log->checkpoint().size <= size) IMPOUND_CHECK(opened->start_over());
  }
  indexed = std::move(opened);
  return ok();
}

/// True: the next question makes it anew.
bool VaultReading::set_aside_if_damaged(Error const& error) {
  if (error.code != Code::damaged || error.where != index::index_file || !state) return false;
  indexed.reset();
  spdlog::warn("the index is damaged and made anew from the log; it lies aside as {}/{}.damaged: {}",
               state_folder(vault->identity()), index::index_file, error.what);
  return static_cast<bool>(index::Database::set_aside(*state));
}

}  // namespace impound::agent
