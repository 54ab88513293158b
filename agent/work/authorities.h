// The time-stamping authorities as the settings name them, how they are asked over HTTP, and what this machine
// remembers of them between two runs (STATE/timestamps.json: tries, gaps, the last reason; nothing in it is evidence).
//
// What the operator named is exempt from the address table for exactly its host and port; a CRL's URL stands in a
// certificate and is content. No redirect of an authority is followed. One thread at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/work/anchor_schedule.h"
#include "agent/work/routes.h"
#include "evidence/system/clock.h"
#include "evidence/system/disk.h"
#include "evidence/timestamps/anchor.h"
#include "fetchers/http/client.h"

namespace impound::agent {

/// Code::usage for a URL or a file of roots that is none, or that two of them share: judged before the vault is opened.
/// Their URLs are as the log shall name them: what stands in a query is left out.
Result<std::vector<evidence::TimestampAuthority>> timestamp_authorities(TimestampSettings const& settings);

/// Asks authorities; `cancelled` ends what is under way within a second.
class AuthorityClient {
 public:
  AuthorityClient(Clock& clock, TimestampSettings const& settings, fetchers::AddressPolicy const& policy,
                  std::string user_agent, Routes const& routes, std::function<bool()> cancelled);
  /// Code::unreachable or timeout: no reply with status 200 within 12 s. Code::refused: one that is too long. `where`
  /// is the authority's URL as the log names it.
  Result<std::string> ask(evidence::TimestampAuthority const& authority, std::string_view query_der);
  /// By the authority's route.
  Result<std::string> fetch_crl(evidence::TimestampAuthority const& authority, std::string const& url);

 private:
  AuthoritySettings const& named(evidence::TimestampAuthority const& authority) const;

  TimestampSettings const& settings_;
  RoutedClients clients_;
  fetchers::HttpLimits limits_;
};

inline constexpr std::string_view authorities_memory_path = "timestamps.json";

/// What an earlier run knew of them, with its times put onto this boot's clock; a file that cannot be read is no
/// memory. Gaps in the future are at most `gap_us_max`.
std::vector<AuthorityStanding> remembered(Disk& state, std::vector<evidence::TimestampAuthority> const& authorities,
                                          Clock& clock, std::int64_t gap_us_max);
/// Those of the memory whose last try failed, for who only reads.
struct FailingAuthority {
  std::string name;
  std::uint64_t tries = 0;
  std::string reason;
  std::string next_utc;
};
std::vector<FailingAuthority> failing_authorities(Disk& state);
Result<void> remember(Disk& state, std::vector<AuthorityStanding> const& authorities, Clock& clock);

}  // namespace impound::agent
