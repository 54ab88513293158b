// Whose payload comes now and who waits: the queue of acquisitions. See acquisition.h.
//
// Metadata is looked for by at most torrents.max_lookups, payload comes for at most torrents.max_active at the same
// time, of which libtorrent gives each the same share; slot_queue.h says who is next. Who gets nothing for a turn gives
// its slot back when others wait. Who must wait is told in the log (limit.reached, and limit.left when it goes on), so
// that `status` knows and nobody wonders later why the payload came hours after its metadata.
#include <algorithm>
#include <set>
#include <tuple>

#include "agent/work/acquisition.h"
#include "agent/work/staging.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::int64_t measured_every_us = 5'000'000;  // staging of many files takes its time

}  // namespace

std::uint64_t Acquisitions::files_left_out(Running const& running) {
  std::uint64_t files = 0;
  for (std::size_t i = 0; running.metainfo && i < running.metainfo->files.size(); ++i)
    if (running.metainfo->files[i].payload() && !running.left_out[i].empty()) ++files;
  return files;
}

void Acquisitions::count_wanted(Running& running) {
  running.files = payload_files(*running.metainfo);
  running.wanted_bytes = 0;
  for (std::size_t i = 0; i < running.metainfo->files.size(); ++i)
    if (!running.metainfo->files[i].pad && running.left_out[i].empty() && !is_sealed(running, i))
      running.wanted_bytes += running.metainfo->files[i].size;
}

/// What a person's magnet selects is what they want; what a paste's does could hide from us what it names.
FileSelection Acquisitions::selection_for(Wanted const& wanted) const {
  FileSelection selection{settings_.include, settings_.exclude, settings_.file_bytes_max, {}};
  if (wanted.by) selection.select_only = wanted.target.select_only;
  return selection_of({{"selection", selection_json(selection)}});
}

bool Acquisitions::waits_for_slot(Running const& running) {
  return !running.slot && !lies_by(running) && running.metainfo && !running.metadata_only &&
         running.refused_reason.empty();
}

Queued Acquisitions::queued(std::string const& id, Running const& running) {
  return {id, running.cause, running.by_person, running.turns, running.number};
}

bool Acquisitions::held_by_trial(std::string const& id, Running const& running) {
  return running.lane.revival.on_trial() && !running.lane.revival.runs(id);
}

bool Acquisitions::has_work(Running const& running) {
  return !lies_by(running) && (running.slot || running.metadata_only || !running.metainfo);
}

/// Brings the workers' jobs in line with what may run: all of them, or after a death one suspect of its worker alone.
Result<void> Acquisitions::let_run() {
  try_due_again();
  for (auto& [name, lane] : lanes_) lane.revival.pass_time(session_.clock().boot_us());
  IMPOUND_CHECK(give_slots());
  IMPOUND_CHECK(look_for_held_files());
  auto const lookups = lookups_to_begin();
  auto const lent = lent_slots();
  std::vector<std::string> to_add;
  for (auto& [id, running] : running_) {
    SwarmLane& lane = running.lane;
    // Who waits for a first slot stays with its peers; who has had one and gave it back looks for none meanwhile.
    bool const wants = has_work(running) ? running.in_worker || running.slot || lookups.contains(id)
                                         : running.in_worker && running.turns == 0;
    if (wants && !lent.contains(id))
      lane.revival.begin(id);
    else
      lane.revival.end(id, session_.clock().boot_us());
    bool const runs = lane.revival.runs(id);
    if (runs && !running.in_worker) to_add.push_back(id);
    if (!running.in_worker || !lane.runs() || running.paused == !runs) continue;
    // What does not reach the worker needs no answer here: its Ended is on the way.
    (void)(runs ? lane.swarm->resume(id) : lane.swarm->pause(id));
    running.paused = !runs;
    if (running.paused) running.intake.drop_leases();
  }
  for (std::string const& id : to_add) {
    if (Running* const running = find(id)) bring_metadata(*running);
    IMPOUND_CHECK(add_to_swarm(id));
  }
  choose_files();
  return ok();
}

/// Metadata is small, and who looks for it costs connections and questions: a paste of a thousand magnets is looked
/// through in parts.
std::set<std::string> Acquisitions::lookups_to_begin() const {
  std::vector<std::string> active;
  std::vector<Queued> waiting;
  for (auto const& [id, running] : running_) {
    // A look-up that waits for a suspect of its own worker keeps no place from another route's.
    if (running.slot || !has_work(running) || held_by_trial(id, running)) continue;
    if (running.in_worker)
      active.push_back(running.cause);
    else
      waiting.push_back(queued(id, running));
  }
  std::set<std::string> begin;
  while (active.size() < settings_.lookups_max) {
    auto const next = next_in_queue(waiting, active);
    if (!next) break;
    begin.insert(waiting[*next].id);
    active.push_back(waiting[*next].cause);
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(*next));
  }
  return begin;
}

/// Who got nothing for a whole turn gives its place to one that waits. What nobody seeds would else hold its slot for
/// good: nothing ends an acquisition without a timeout but its success.
Result<void> Acquisitions::end_turns(std::size_t waiting) {
  std::int64_t const now = session_.clock().boot_us();
  std::int64_t const turn_us = std::chrono::microseconds{settings_.turn}.count();
  std::vector<std::string> over;
  for (auto& [id, running] : running_) {
    if (waiting == 0) break;
    if (!running.slot || !running.refused_reason.empty() || now - running.last_byte_us < turn_us) continue;
    // One that waits for its worker's other suspects has had no turn.
    if (!running.lane.revival.runs(id)) {
      running.last_byte_us = now;
      continue;
    }
    --waiting;
    running.slot = false;
    ++running.turns;
    running.in_vain_us += now - running.last_byte_us;
    if (running.job.idle_timeout_s &&
        running.in_vain_us / 1'000'000 >= static_cast<std::int64_t>(*running.job.idle_timeout_s)) {
      running.refused_reason = "deadline";
      running.refused_detail = "no new byte for " + std::to_string(running.in_vain_us / 1'000'000) + " s";
      over.push_back(id);
      continue;
    }
    if (running.turns == 1)
      IMPOUND_CHECK(let_wait(running, "no new byte for " + std::to_string(settings_.turn.count()) +
                                          " s, and others wait; its turn comes again"));
  }
  for (std::string const& id : over) IMPOUND_CHECK(end_refused(id));
  return ok();
}

/// Slots are given in the queue's order; whoever finds no room holds up those behind, or a large torrent would starve.
Result<void> Acquisitions::give_slots() {
  auto const waits_now = [](auto const& one) {
    return waits_for_slot(one.second) && !held_by_trial(one.first, one.second);
  };
  IMPOUND_CHECK(end_turns(static_cast<std::size_t>(std::count_if(running_.begin(), running_.end(), waits_now))));
  std::vector<std::string> active;
  std::vector<Queued> waiting;
  for (auto const& [id, running] : running_) {
    // Who waits for a suspect of its own worker, for minutes, does not keep another route's torrents waiting.
    if (held_by_trial(id, running)) continue;
    if (running.slot) active.push_back(running.cause);
    if (waits_for_slot(running)) waiting.push_back(queued(id, running));
  }
  std::string why;
  while (auto const next = next_in_queue(waiting, active)) {
    std::string const id = waiting[*next].id;
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(*next));
    Running* const waits = find(id);
    if (waits == nullptr) continue;  // another one's end was its own
    Running& running = *waits;
    if (why.empty() && active.size() >= settings_.active_torrents_max)
      why = "torrents.max_active is " + std::to_string(settings_.active_torrents_max);
    if (why.empty() && (no_room_beside_others(running) || no_room_for_the_rest(running))) measure_staging();
    if (why.empty()) why = no_room_beside_others(running).value_or("");
    if (!why.empty()) {
      IMPOUND_CHECK(let_wait(running, why));
      continue;
    }
    // What lacks room of the disk's own holds up nobody: there may never be more.
    if (auto const no_room = no_room_for_the_rest(running)) {
      IMPOUND_CHECK(let_wait_for_room(running, *no_room));
      continue;
    }
    running.no_room_since_us.reset();
    IMPOUND_CHECK(give_slot(running));
    if (find(id) != nullptr) active.push_back(running_.at(id).cause);
  }
  return ok();
}

/// Slots of torrents that waited for a suspect were lent to others; now there are more than may be.
std::set<std::string> Acquisitions::lent_slots() const {
  std::vector<Held> held;
  for (auto const& [id, running] : running_)
    if (running.slot && !held_by_trial(id, running))
      held.push_back({id, running.lane.revival.on_trial(), running.number});
  return beyond_slots(std::move(held), settings_.active_torrents_max);
}

std::uint64_t Acquisitions::bytes_to_come(Running const& running) {
  return running.wanted_bytes - std::min(running.wanted_bytes, running.staged_bytes);
}

/// What was downloaded says too little of the room that is taken: a large file has all of its own from its first byte.
void Acquisitions::measure_staging() {
  std::int64_t const now = session_.clock().boot_us();
  for (auto& [id, running] : running_) {
    if (!running.slot && !begun_before(running)) continue;
    if (running.staging_measured_us && now - *running.staging_measured_us < measured_every_us) continue;
    running.staging_measured_us = now;
    running.staged_bytes = staged_bytes(session_.disk(), staging_of(running));
  }
}

/// What is promised to the others is not free, though it still is on the disk: judged before the first byte comes.
std::optional<std::string> Acquisitions::no_room_beside_others(Running const& running) const {
  std::uint64_t promised = 0;
  for (auto const& [id, other] : running_)
    if (other.slot) promised += bytes_to_come(other);
  auto const free = session_.disk().free_bytes();
  if (promised == 0 || !free || free.value() >= bytes_to_come(running) + promised + settings_.disk_reserve)
    return std::nullopt;
  return "other torrents need " + bytes_text(promised) + " of the " + bytes_text(free.value()) + " that are free";
}

/// One that lies in staging in part waits until there is room for the rest: its end would lose that part.
std::optional<std::string> Acquisitions::no_room_for_the_rest(Running const& running) const {
  if (!begun_before(running)) return std::nullopt;
  auto const free = session_.disk().free_bytes();
  std::uint64_t const needs = bytes_to_come(running);
  if (!free || free.value() >= needs + settings_.disk_reserve) return std::nullopt;
  return "it still needs " + bytes_text(needs) + ", the disk has " + bytes_text(free.value()) +
         " free, of which limits.disk_reserve keeps " + bytes_text(settings_.disk_reserve);
}

Result<void> Acquisitions::give_slot(Running& running) {
  running.slot = true;
  running.intake.held_looked_for = false;
  running.last_byte_us = session_.clock().boot_us();
  if (!running.waits) return ok();
  running.waits.reset();
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"limit.left", {{"limit", "active_torrents"}}, running.case_name, {}, running.attempt, {}, {}}));
  // The disk may have filled up meanwhile. What was begun before has been held to that already, and waited.
  auto const why = begun_before(running) ? std::nullopt : why_not(running);
  if (!why) return ok();
  std::tie(running.refused_reason, running.refused_detail) = *why;
  return end_refused(running.attempt.text());
}

/// A timeout counts here, too: whoever set one wants to hear of it. Without one it waits for as long as it takes.
Result<void> Acquisitions::let_wait_for_room(Running& running, std::string const& why) {
  std::int64_t const now = session_.clock().boot_us();
  if (!running.no_room_since_us) running.no_room_since_us = now;
  auto const timeout_s = running.job.idle_timeout_s;
  if (!timeout_s || (now - *running.no_room_since_us) / 1'000'000 < static_cast<std::int64_t>(*timeout_s))
    return let_wait(running, why);
  running.refused_reason = "disk_full";
  running.refused_detail = why;
  return end_refused(running.attempt.text());
}

Result<void> Acquisitions::let_wait(Running& running, std::string why) {
  if (running.waits || running.turns > 1) return ok();  // those that take turns are told once
  running.waits = why;
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"limit.reached",
                 {{"limit", "active_torrents"}, {"doing", shown("a torrent's payload waits: " + why, 500)}},
                 running.case_name,
                 {},
                 running.attempt,
                 {},
                 {}}));
  terminal_.say("waiting     " + running.metainfo->name + ": " + why);
  return ok();
}

/// The worker begins with the payload: the metadata is sealed, and there is a slot.
void Acquisitions::choose_files() {
  for (auto& [id, running] : running_) {
    if (!running.lane.runs()) continue;
    if (!running.slot || !running.refused_reason.empty() || !running.in_worker || !running.metadata_in_worker ||
        running.chosen || !running.metainfo || !running.intake.held_looked_for)
      continue;
    std::vector<bool> wanted;
    std::set<std::pair<Sha256, std::uint64_t>> once;  // the others are taken from the vault when it is there
    for (std::size_t i = 0; i < running.left_out.size(); ++i) {
      fetchers::TorrentFile const& file = running.metainfo->files[i];
      bool const takes = running.left_out[i].empty() && !is_sealed(running, i);
      wanted.push_back(takes && (!file.pieces_root || once.emplace(*file.pieces_root, file.size).second));
    }
    running.chosen = true;
    (void)running.lane.swarm->choose(id, std::move(wanted));  // what does not reach the worker: its Ended is on the way
  }
}

}  // namespace impound::agent
