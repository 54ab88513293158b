// What the robots.txt of each place asks of us, for sources whose settings say that it is heard (RFC 9309).
//
// A file is asked for once a day; one that could not be had (no answer, a 5xx, cut, a content coding) closes its place
// and is asked for again after ten minutes; a 4xx asks for nothing (§2.3.1). At most 1,000 places are remembered.
// Redirects are not looked at: whether a hop leads to where a robots.txt forbids it is not asked. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "agent/settings/settings.h"
#include "agent/work/capture_group.h"
#include "evidence/system/clock.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/http/exchange.h"
#include "fetchers/http/robots.h"
#include "fetchers/url.h"

namespace impound::agent {

class RobotsRules {
 public:
  /// What is handed in must outlive it.
  RobotsRules(Clock& clock, Settings const& settings, CaptureGroup& captures)
      : clock_(clock), settings_(settings), captures_(captures) {}

  /// Nothing is known, or what is known is too old: look() comes first.
  bool due(fetchers::Url const& url) const;
  /// Asks for the file of the URL's place, a request that its host's pace must have let go; `then`: it is known.
  /// Errors are those of CaptureGroup::look.
  Result<void> look(fetchers::Url const& url, std::string const& route,
                    std::optional<fetchers::Exemption> const& exempt, std::function<void()> then);
  struct Refusal {
    std::string why;
    std::optional<std::int64_t> closed_until_us;  // boot time; set where the file could not be had
  };
  /// Of one that is not to be asked for; nothing where it may be.
  std::optional<Refusal> refusal(fetchers::Url const& url) const;

 private:
  struct Place {
    fetchers::Robots robots;
    std::string problem;  // why it is closed
    std::int64_t until_us = 0;
  };

  Place read(fetchers::Exchange const& answer) const;
  Place closed(std::string why) const;

  Clock& clock_;
  Settings const& settings_;
  CaptureGroup& captures_;
  std::map<std::string, Place> places_;  // by origin
};

}  // namespace impound::agent
