#include "agent/work/slot_queue.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace impound::agent {

std::optional<std::size_t> next_in_queue(std::vector<Queued> const& waiting, std::vector<std::string> const& active) {
  if (waiting.empty()) return std::nullopt;
  std::map<std::string_view, std::size_t> slots;
  for (std::string const& cause : active) ++slots[cause];
  auto const rank = [&](Queued const& one) {
    return std::tuple{one.turns, !one.by_person, slots[one.cause], one.number, std::cref(one.id)};
  };
  auto const next = std::min_element(waiting.begin(), waiting.end(), [&](Queued const& a, Queued const& b) {
    auto const [turns_a, later_a, slots_a, number_a, id_a] = rank(a);
    auto const [turns_b, later_b, slots_b, number_b, id_b] = rank(b);
    return std::tie(turns_a, later_a, slots_a, number_a, id_a.get()) <
           std::tie(turns_b, later_b, slots_b, number_b, id_b.get());
  });
  return static_cast<std::size_t>(next - waiting.begin());
}

std::set<std::string> beyond_slots(std::vector<Held> held, std::size_t slots_max) {
  std::sort(held.begin(), held.end(), [](Held const& a, Held const& b) {
    return std::tie(b.alone, a.number, a.id) < std::tie(a.alone, b.number, b.id);
  });
  std::set<std::string> beyond;
  for (std::size_t i = slots_max; i < held.size(); ++i)
    if (!held[i].alone) beyond.insert(held[i].id);
  return beyond;
}

}  // namespace impound::agent
