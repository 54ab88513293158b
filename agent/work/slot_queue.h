// Who of those that wait gets the next slot: who has had the fewest turns in vain, of these what a person asked for,
// then whoever's cause has the fewest slots, then the oldest. So one paste with a thousand magnets holds up neither a
// person nor the next paste, and what nobody seeds does not hold up what somebody does.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace impound::agent {

struct Queued {
  std::string id;
  std::string cause;  // what named it; "" for a person's command
  bool by_person = false;
  unsigned turns = 0;        // slots that it gave back without a byte
  std::uint64_t number = 0;  // in the order they came; ids of one millisecond have none
};

/// The place in `waiting` of the next one; nothing when nobody waits. `active`: the causes of those that have a slot.
std::optional<std::size_t> next_in_queue(std::vector<Queued> const& waiting, std::vector<std::string> const& active);

}  // namespace impound::agent
