// The ids of a log's entries, of which there may be tens of millions: 16 bytes a place, at most 7 of 10 places taken.
// Private to verify/. One thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "evidence/verify/lean_entry.h"

namespace impound::evidence {

class IdSet {
 public:
  /// Its place, and whether it is new, as the containers of std have it. No id is all zeros: a UUID has its version.
  std::pair<IdBytes const*, bool> insert(IdBytes const& id) {
    if (10 * (count_ + 1) > 7 * places_.size()) grow();
    IdBytes& place = places_[place_of(id)];
    bool const fresh = place != id;
    place = id;
    count_ += fresh ? 1 : 0;
    return {&place, fresh};
  }
  /// Soon an id will be looked for.
  void prefetch(IdBytes const& id) const {
    if (!places_.empty()) __builtin_prefetch(&places_[first_place_of(id)]);
  }
  bool contains(IdBytes const& id) const { return !places_.empty() && places_[place_of(id)] == id; }

 private:
  /// Every bit of the result depends on every bit: ids that were not drawn at random differ in a few bytes only.
  static std::uint64_t mixed(std::uint64_t bits) {
    bits = (bits ^ (bits >> 33)) * 0xff51afd7ed558ccdu;
    bits = (bits ^ (bits >> 33)) * 0xc4ceb9fe1a85ec53u;
    return bits ^ (bits >> 33);
  }
  std::size_t first_place_of(IdBytes const& id) const {
    std::uint64_t halves[2];
    std::memcpy(halves, id.data(), sizeof halves);
    std::uint64_t const hash = mixed(halves[0] ^ mixed(halves[1]));
    return static_cast<std::size_t>(hash) & (places_.size() - 1);
  }
  /// Where it is, or the free place where it would be.
  std::size_t place_of(IdBytes const& id) const {
    std::size_t at = first_place_of(id);
    while (places_[at] != IdBytes{} && places_[at] != id) at = (at + 1) & (places_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<IdBytes> const before =
        std::exchange(places_, std::vector<IdBytes>(places_.empty() ? 64 : 2 * places_.size()));
    for (IdBytes const& id : before)
      if (id != IdBytes{}) places_[place_of(id)] = id;
  }

  std::vector<IdBytes> places_;  // a power of two of them
  std::size_t count_ = 0;
};

}  // namespace impound::evidence
