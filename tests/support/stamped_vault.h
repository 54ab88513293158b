// What stamping needs in a test: an authority as the agent has it in its settings, and entries that say what came of
// it.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evidence/timestamps/anchor.h"
#include "evidence/timestamps/stamping_history.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/test_authority.h"

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

}  // namespace impound::evidence
