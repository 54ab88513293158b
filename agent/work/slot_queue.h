// Who of those that wait gets the next slot: who has had the fewest turns in vain, of these what a person asked for,
// then whoever's cause has the fewest slots, then the oldest. So one paste with a thousand magnets holds up neither a
// person nor the next paste, and what nobody seeds does not hold up what somebody does.
//
// A slot whose torrent waits while a suspect of its worker runs alone is lent to others meanwhile; when it goes on, the
// one that was begun last pauses.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
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

/// A torrent that has a slot and does not wait for a suspect.
struct Held {
  std::string id;
  bool alone = false;        // it is that suspect, whose time runs
  std::uint64_t number = 0;  // in the order they came
};

/// Who must pause, so that no more than `slots_max` go on at a time, or than suspects run alone.
std::set<std::string> beyond_slots(std::vector<Held> held, std::size_t slots_max);

}  // namespace impound::agent
