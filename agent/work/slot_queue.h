// Who of those that wait gets the next slot: what a person asked for first, then whoever's cause has the fewest slots,
// then the oldest. So one paste with a thousand magnets holds up neither a person nor the next paste.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace impound::agent {

struct Queued {
  std::string id;     // of the attempt: those of one process sort by age
  std::string cause;  // what named it; "" for a person's command
  bool by_person = false;
};

/// The place in `waiting` of the next one; nothing when nobody waits. `active`: the causes of those that have a slot.
std::optional<std::size_t> next_in_queue(std::vector<Queued> const& waiting, std::vector<std::string> const& active);

}  // namespace impound::agent
