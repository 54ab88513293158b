// A vault that the agent's sessions open, and what its log has.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/work/session.h"
#include "evidence/custody_log.h"
#include "evidence/log_reader.h"
#include "evidence/values/utc_time.h"
#include "evidence/vault.h"

namespace impound::agent::test {

inline constexpr char const* test_origin = "test.example/custody";

/// In `folder`, with its key and the memory of it (XDG_STATE_HOME) beside it; named by the settings.
inline void make_agent_vault(std::string const& folder, Settings& settings, Clock& clock, Randomness& randomness) {
  settings.vault = folder + "/vault";
  settings.key_file = folder + "/key.pem";
  REQUIRE(::setenv("XDG_STATE_HOME", (folder + "/state").c_str(), 1) == 0);
  auto key = evidence::SigningKey::make(randomness);
  auto const place = LinuxDisk::open_at(folder);
  REQUIRE(place);
  REQUIRE(key.write_new(*place.value(), "key.pem", randomness, nullptr));
  auto const identity = evidence::VaultIdentity::make(test_origin, key.vkey(test_origin), utc_text(clock.utc_us()));
  REQUIRE(identity);
  std::string const state = state_folder(identity.value());
  REQUIRE(make_process_folder(state));
  auto memory = LinuxDisk::open_at(state);
  REQUIRE(memory);
  evidence::EntryMaker maker{clock, randomness};
  auto const first = maker.make({.kind = "vault.created", .body = identity.value().created_body()});
  REQUIRE(first);
  auto const made = evidence::Vault::create(settings.vault, identity.value(), [&](Disk& vault) -> Result<void> {
    IMPOUND_CHECK(evidence::CustodyLog::create(vault, *memory.value(), key, test_origin, first.value().bytes));
    return ok();
  });
  REQUIRE_MESSAGE(made, line(made.error()));
}

/// Entries of these kinds, in order; what was recorded is published first.
inline std::vector<evidence::ReadEntry> logged_entries(Session& session, std::vector<std::string> const& kinds) {
  REQUIRE(session.recorder().publish());
  auto reader = evidence::LogReader::open(session.disk(), session.vkey());
  REQUIRE(reader);
  std::vector<evidence::ReadEntry> found;
  REQUIRE(reader.value().each(0, reader.value().checkpoint().size,
                              [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
                                IMPOUND_TRY(entry, evidence::read_entry(index, bytes));
                                if (std::find(kinds.begin(), kinds.end(), entry.kind()) != kinds.end())
                                  found.push_back(std::move(entry));
                                return ok();
                              }));
  return found;
}

}  // namespace impound::agent::test
