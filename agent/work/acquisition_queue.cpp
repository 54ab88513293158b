// Whose payload comes now and who waits: the queue of acquisitions. See acquisition.h.
//
// Metadata is asked for at once for everybody; payload comes for at most torrents.max_active at the same time, of which
// libtorrent gives each the same share; slot_queue.h says who is next. Who must wait is told
// in the log (limit.reached, and limit.left when it goes on), so that `status` knows and nobody wonders later why the
// payload came hours after its metadata.
#include <algorithm>
#include <tuple>

#include "agent/work/acquisition.h"
#include "agent/work/slot_queue.h"

namespace impound::agent {

using evidence::EntryDraft;

std::uint64_t Acquisitions::files_left_out(Running const& running) {
  auto const left = [](std::string const& why) { return !why.empty(); };
  return static_cast<std::uint64_t>(std::count_if(running.left_out.begin(), running.left_out.end(), left));
}

std::uint64_t Acquisitions::wanted_bytes(Running const& running) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; running.metainfo && i < running.metainfo->files.size(); ++i)
    if (!running.metainfo->files[i].pad && running.left_out[i].empty()) bytes += running.metainfo->files[i].size;
  return bytes;
}

/// What a person's magnet selects is what they want; what a paste's does could hide from us what it names.
FileSelection Acquisitions::selection_for(Wanted const& wanted) const {
  FileSelection selection{settings_.include, settings_.exclude, settings_.file_bytes_max, {}};
  if (wanted.by) selection.select_only = wanted.target.select_only;
  return selection_of({{"selection", selection_json(selection)}});
}

/// Brings the worker's jobs in line with what may run: all of them, or after a death one suspect alone.
Result<void> Acquisitions::let_run() {
  revival_.pass_time(session_.clock().boot_us());
  IMPOUND_CHECK(give_slots());
  std::vector<std::string> to_add;
  for (auto& [id, running] : running_) {
    bool const runs = revival_.runs(id);
    // A job whose metadata is known has nothing to do in the worker before its payload may come.
    bool const wanted = running.slot || running.metadata_only || !running.metainfo;
    if (runs && wanted && !running.in_worker) to_add.push_back(id);
    if (!running.in_worker || !swarm_ || running.paused == !runs) continue;
    // What does not reach the worker needs no answer here: its Ended is on the way.
    (void)(runs ? swarm_->resume(id) : swarm_->pause(id));
    running.paused = !runs;
  }
  for (std::string const& id : to_add) IMPOUND_CHECK(add_to_swarm(id));
  choose_files();
  return ok();
}

/// Slots are given in the queue's order; whoever finds no room holds up those behind, or a large torrent would starve.
Result<void> Acquisitions::give_slots() {
  std::vector<std::string> active;
  std::vector<Queued> waiting;
  for (auto const& [id, running] : running_) {
    if (running.slot) active.push_back(running.cause);
    if (!running.slot && running.metainfo && !running.metadata_only && running.refused_reason.empty())
      waiting.push_back({id, running.cause, running.by_person});
  }
  std::string why;
  while (auto const next = next_in_queue(waiting, active)) {
    std::string const id = waiting[*next].id;
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(*next));
    Running& running = running_.at(id);
    if (why.empty() && active.size() >= settings_.active_torrents_max)
      why = "torrents.max_active is " + std::to_string(settings_.active_torrents_max);
    if (why.empty()) why = no_room_beside_others(running).value_or("");
    if (!why.empty()) {
      IMPOUND_CHECK(let_wait(running, why));
      continue;
    }
    IMPOUND_CHECK(give_slot(running));
    if (find(id) != nullptr) active.push_back(running_.at(id).cause);
  }
  return ok();
}

/// What is promised to the others is not free, though it still is on the disk: judged before the first byte comes.
std::optional<std::string> Acquisitions::no_room_beside_others(Running const& running) const {
  std::uint64_t promised = 0;
  for (auto const& [id, other] : running_) {
    if (!other.slot) continue;
    std::uint64_t const wanted = wanted_bytes(other);
    promised += wanted - std::min(wanted, other.progress.downloaded);
  }
  auto const free = session_.disk().free_bytes();
  if (promised == 0 || !free || free.value() >= wanted_bytes(running) + promised + settings_.disk_reserve)
    return std::nullopt;
  return "other torrents need " + bytes_text(promised) + " of the " + bytes_text(free.value()) + " that are free";
}

Result<void> Acquisitions::give_slot(Running& running) {
  running.slot = true;
  if (!running.waits) return ok();
  running.waits.reset();
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"limit.left", {{"limit", "active_torrents"}}, running.case_name, {}, running.attempt, {}, {}}));
  // The disk may have filled up meanwhile. What was begun by an earlier run has part of its room already.
  auto const why = running.taken_up ? std::nullopt : why_not(running);
  if (!why) return ok();
  std::tie(running.refused_reason, running.refused_detail) = *why;
  std::string const id = running.job.id;  // finish() ends what it belongs to
  if (running.in_worker) return end_in_swarm(id);
  return finish(id, {why->first, why->second, 0, 0});
}

Result<void> Acquisitions::let_wait(Running& running, std::string why) {
  if (running.waits) return ok();
  running.waits = why;
  terminal_.say("waiting     " + running.metainfo->name + ": " + why);
  IMPOUND_CHECK(session_.recorder().record(
      EntryDraft{"limit.reached",
                 {{"limit", "active_torrents"}, {"doing", shown("a torrent's payload waits: " + why, 500)}},
                 running.case_name,
                 {},
                 running.attempt,
                 {},
                 {}}));
  return ok();
}

/// The worker begins with the payload: the metadata is sealed, and there is a slot.
void Acquisitions::choose_files() {
  if (!swarm_) return;
  for (auto& [id, running] : running_) {
    if (!running.slot || !running.refused_reason.empty() || !running.in_worker || !running.metadata_in_worker ||
        running.chosen || !running.metainfo)
      continue;
    std::vector<bool> wanted;
    for (std::string const& why : running.left_out) wanted.push_back(why.empty());
    running.chosen = true;
    (void)swarm_->choose(id, std::move(wanted));  // what does not reach the worker: its Ended is on the way
  }
}

}  // namespace impound::agent
