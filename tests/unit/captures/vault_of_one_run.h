// A vault of its own on the disk, with a session of the agent over it, until the test ends.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/work/session.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/agent_vault.h"
#include "tests/support/fake_clock.h"

namespace impound::agent::test {

class VaultOfOneRun {
 public:
  VaultOfOneRun() {
    char name[] = "/tmp/impound-captures-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    make_agent_vault(folder, settings, clock, randomness);
    begin_run();
  }
  ~VaultOfOneRun() {
    session.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  VaultOfOneRun(VaultOfOneRun const&) = delete;
  VaultOfOneRun& operator=(VaultOfOneRun const&) = delete;

  void begin_run() {
    session.reset();
    auto opened = Session::open(settings, "watch", clock, randomness);
    REQUIRE_MESSAGE(opened, line(opened.error()));
    session = std::move(opened).value();
  }
  /// Entries of these kinds, in order.
  std::vector<evidence::ReadEntry> entries(std::vector<std::string> const& kinds) {
    return logged_entries(*session, kinds);
  }
  evidence::Verdict verify() {
    REQUIRE(session->recorder().publish());
    evidence::VerifyOptions options;
    options.vkey = session->vkey();
    options.held_by_writer = true;
    return evidence::verify_vault(session->disk(), options);
  }

  std::string folder;
  FakeClock clock;
  SystemRandomness randomness;
  Settings settings;
  std::unique_ptr<Session> session;
};

}  // namespace impound::agent::test
