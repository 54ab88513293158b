// A vault of its own in which acquisitions run by a clock that stands still until the test moves it; their worker is
// the real one, and swarms are those of World.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "tests/support/agent_vault.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/swarm/world.h"

namespace impound::agent::test {

using fetchers::test::MadeTorrent;
using fetchers::test::World;

class Desk {
 public:
  static constexpr std::int64_t minute = 60'000'000;

  explicit Desk(World const& world) {
    settings.dht = false;
    settings.allow_net = {"127.0.0.0/8"};
    make_agent_vault(world.folder().string(), settings, clock, randomness);
    begin_run();
  }

  /// As a process that was killed and started again has it, but for what the log was not told yet.
  void begin_run() {
    acquisitions.reset();
    session.reset();
    auto opened = Session::open(settings, "watch", clock, randomness);
    REQUIRE_MESSAGE(opened, line(opened.error()));
    session = std::move(opened).value();
    policy = std::make_unique<fetchers::AddressPolicy>(address_policy(settings.allow_net).value());
    routes = std::make_unique<Routes>(Routes::of(settings).value());
    acquisitions = std::make_unique<Acquisitions>(*session, settings, *policy, *routes, terminal);
  }

  /// What a source names by a magnet with these hashes and one peer.
  Wanted wanted(InfoHashes const& hashes, fetchers::PeerAddress const& peer) const {
    Wanted one;
    one.target.hashes = hashes;
    one.target.peers = {fetchers::test::endpoint_text(peer)};
    return one;
  }

  /// Until nothing is under way.
  void work_off() {
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    do {
      REQUIRE_MESSAGE(std::chrono::steady_clock::now() < end, "it does not end");
      auto const pumped = acquisitions->pump(std::chrono::milliseconds{acquisitions->idle() ? 0 : 100}, -1);
      REQUIRE_MESSAGE(pumped, line(pumped.error()));
      for (AcquisitionOutcome const& outcome : acquisitions->take_outcomes()) outcomes.push_back(outcome);
      // A second on the clock that sealing waits for company.
      if (!acquisitions->idle()) clock.advance(100'000);
    } while (!acquisitions->idle());
  }

  /// Minute by minute, with what falls due in between, until `over` or `at_most` has passed.
  void pass(
      std::int64_t at_most, std::function<bool()> const& over = [] { return false; }) {
    for (std::int64_t const end = clock.boot_us() + at_most; clock.boot_us() < end && !over();) {
      clock.advance(minute);
      work_off();
    }
  }

  /// Entries of a kind, in order.
  std::vector<evidence::ReadEntry> entries(std::string const& kind) { return logged_entries(*session, {kind}); }

  /// Exhibits of payload, in order.
  std::vector<evidence::ReadEntry> payload() {
    auto found = entries("exhibit.sealed");
    std::erase_if(found, [](evidence::ReadEntry const& entry) { return entry.text("role") != "payload"; });
    return found;
  }

  FakeClock clock;
  SystemRandomness randomness;
  Settings settings;
  std::unique_ptr<Session> session;
  std::unique_ptr<fetchers::AddressPolicy> policy;
  std::unique_ptr<Routes> routes;
  Terminal terminal{true};
  std::unique_ptr<Acquisitions> acquisitions;
  std::vector<AcquisitionOutcome> outcomes;
};

}  // namespace impound::agent::test
