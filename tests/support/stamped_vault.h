// What stamping needs in a test: an authority as the agent has it in its settings, entries that say what came of it,
// and a vault whose log was stamped.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evidence/timestamps/anchor.h"
#include "evidence/timestamps/stamping_history.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_authority.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {

/// A TestAuthority, the settings that name it, and what it shall answer instead of good.
struct Authority {
  std::string name;
  TestAuthority made;
  std::optional<Result<std::string>> answer;
  std::string crl;
  std::optional<Error> crl_error;

  explicit Authority(std::string called, TestCertificates wanted = {})
      : name(std::move(called)), made(name, with_crl(wanted, name)) {
    crl = made.crl(test_time_s - 3'600, test_time_s + 86'400);
  }
  static TestCertificates with_crl(TestCertificates wanted, std::string const& of) {
    wanted.crl_url = "http://crl.example/" + of;
    return wanted;
  }
  TimestampAuthority authority() const {
    auto roots = TrustedRoots::from_pem(made.root_pem());
    REQUIRE(roots);
    return {name, "http://tsa.example/" + name, std::move(roots).value()};
  }
  AskAuthority ask() {
    return [this](TimestampAuthority const& asked, std::string_view query) -> Result<std::string> {
      CHECK(asked.name == name);
      return answer ? *answer : Result<std::string>(made.reply(query));
    };
  }
  FetchCrl fetch() {
    return [this](TimestampAuthority const&, std::string const& url) -> Result<std::string> {
      CHECK(url == "http://crl.example/" + name);
      if (crl_error) return *crl_error;
      return crl;
    };
  }
};

/// As if the log had a timestamp.attempt and no result.
inline void take_open_attempt(StampingHistory& history, std::uint64_t size, std::string_view note,
                              std::vector<TimestampAuthority> const& authorities) {
  FakeClock clock;
  SeededRandomness randomness(11);
  EntryMaker maker(clock, randomness);
  maker.session(EntryId::make(clock, randomness));
  auto const entry = maker.make(
      {.kind = "timestamp.attempt", .body = attempt_body(size, Sha256{}, note, authorities.size(), authorities)});
  REQUIRE(entry);
  auto const read = read_entry(size, entry.value().bytes);
  REQUIRE(read);
  history.take(read.value());
}

/// A vault whose log is stamped by two authorities, twice: after its first exhibit and after its second.
struct StampedVault {
  Authority one{"one"};
  Authority two{"two"};
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault;
  std::unique_ptr<Disk> state;
  std::unique_ptr<TestVault> writer;
  SeededRandomness randomness{21};
  std::vector<std::uint64_t> sizes;
  std::uint64_t required = 2;

  StampedVault() {
    disk.put_folder("v");
    disk.put_folder("s");
    vault = disk.folder("v");
    state = disk.folder("s");
    writer = std::make_unique<TestVault>(*vault, *state, SimulatedDisk::owner);
  }
  std::vector<TimestampAuthority> authorities() { return {one.authority(), two.authority()}; }

  struct Open {
    EntryId id;
    StampingAttempt attempt;
    std::string note;
  };
  /// Publishes, keeps the checkpoint, logs the attempt.
  Open attempt(std::function<void(Json&)> const& change = {}) {
    writer->publish();
    std::string const note = disk.content("v/log/checkpoint");
    Checkpoint const& newest = writer->log().checkpoint();
    REQUIRE(keep_checkpoint(*vault, newest.size, note));
    sizes.push_back(newest.size);
    EntryId const id = writer->new_id();
    Json body = attempt_body(newest.size, newest.root, note, required, authorities());
    auto const whole = attempt_from_json(body);
    REQUIRE(whole);
    if (change) change(body);
    REQUIRE(writer->record({{.kind = "timestamp.attempt", .body = body, .id = id}}));
    return {id, whole.value(), note};
  }
  KeptToken token(Open const& open, Authority& by) {
    auto kept = stamp(*vault, by.authority(), open.attempt.size, open.note, by.ask(), by.fetch(), randomness);
    if (!kept) FAIL(line(kept.error()));
    return std::move(kept).value();
  }
  void result(Open const& open, Json body) {
    REQUIRE(writer->record({{.kind = "timestamp.result", .body = std::move(body), .of = open.id}}));
  }
  void stamped(std::function<void(Json&)> const& change = {}) {
    Open const open = attempt();
    Json body = result_body(open.attempt, {token(open, one), token(open, two)}, {}, {});
    if (change) change(body);
    result(open, std::move(body));
  }
  /// The usual vault.
  StampedVault& whole() {
    writer->seal("the first exhibit");
    stamped();
    writer->seal("the second exhibit");
    writer->capture("a paste");
    later(60);
    stamped();
    writer->stop();
    return *this;
  }
  void later(std::int64_t seconds) {
    writer->clock().advance(seconds * 1'000'000);
    one.made.now_s += seconds;
    two.made.now_s += seconds;
  }
  VerifyOptions options() {
    VerifyOptions options;
    options.vkey = test_key().vkey(TestVault::origin);
    options.state = state.get();
    options.threads = 1;
    options.tsa_roots_pem = {one.made.root_pem(), two.made.root_pem()};
    return options;
  }
  Verdict verify() { return verify_vault(*vault, options()); }
  std::string file(std::size_t which, std::string const& name) const {
    return "timestamps/" + std::to_string(sizes.at(which)) + "/" + name;
  }
  std::string checkpoint(std::size_t which) const { return "log/checkpoints/" + std::to_string(sizes.at(which)); }
};

}  // namespace impound::evidence
