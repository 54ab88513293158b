// What nobody has yet lies by, and is tried again: the patience of acquisitions that no person waits for. See
// acquisition.h; the gaps are patience.h's.
//
// One that lies by is in nobody's slot and not in the worker; its attempt is open, its whole files are sealed, the rest
// stays in staging with its journal. Each time the log is told (acquisition.stalled), so that `status` knows, and the
// next run goes on where this one was.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "agent/work/listed_sources.h"
#include "agent/work/outcome_text.h"
#include "agent/work/web_seeds.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::size_t incidents_max = 20;  // told one by one, of one acquisition

/// Ends that an hour may change; every other says something of the torrent, of us or of the disk.
bool may_pass(std::string const& reason) {
  return reason == "no_peers" || reason == "no_metadata" || reason == "deadline";
}

}  // namespace

/// Nothing for what a person waits for, or asked for in the run that began it.
std::optional<Patience> Acquisitions::patience_of(Running const& running) const {
  std::int64_t const patience_us = std::chrono::microseconds{settings_.patience}.count();
  if (patience_us == 0 || running.by_person || running.metadata_only) return std::nullopt;
  PatienceLimits limits;
  limits.patience_us = patience_us;
  auto const& earlier = session_.past().open_acquisitions();
  auto const open = earlier.find(running.attempt);
  if (open == earlier.end()) return Patience{limits, running.begun_us};
  if (open->second.by_person) return std::nullopt;
  // Its age by the wall clock, for the machine may have been started anew; from here on the boot clock counts.
  std::int64_t const age_us = std::max<std::int64_t>(0, session_.clock().utc_us() - open->second.begun_utc_us);
  return Patience{limits, session_.clock().boot_us() - age_us, open->second.tries};
}

/// True: it lies by, and this was not its end.
Result<bool> Acquisitions::lie_by(Running& running, SwarmPart const& ending) {
  if (!may_pass(ending.reason)) return false;
  if (!running.patience) running.patience = patience_of(running);
  if (!running.patience) return false;
  std::uint32_t dice = 0;
  session_.randomness().fill(std::as_writable_bytes(std::span{&dice, 1}));
  bool const got_something = std::exchange(running.got_something, false) || ending.downloaded > 0;
  if (!running.patience->stall(session_.clock().boot_us(), got_something, dice)) return false;

  // Whole files do not lie by with the rest, though others are missing between them.
  IMPOUND_CHECK(take_in_payload(running, Rest::is_over));
  IMPOUND_TRY(stalled, record_stall(running, ending));
  IMPOUND_CHECK(tell_refused(running, stalled));
  auto const gap_us = running.patience->next_try_us() - session_.clock().boot_us();
  terminal_.say("waiting     " + (running.metainfo ? shown(running.metainfo->name, 60) : short_hash(running.hashes)) +
                ": " + reason_text(ending.reason) + "; tried again in " +
                duration_text(std::chrono::seconds{std::max<std::int64_t>(0, gap_us) / 1'000'000}));

  Intake& intake = running.intake;
  intake.whole.clear();
  intake.reached.clear();
  intake.parts.clear();
  intake.check.reset();  // the next try begins at the torrent's first file again
  intake.read.reset();
  intake.unreadable_since_us.reset();
  intake.unreadable.clear();
  intake.refused.clear();
  intake.refused_more = 0;
  intake.wrong = false;
  intake.drop_leases();
  running.downloaded_before += ending.downloaded;
  running.in_vain_us = 0;
  running.in_worker = running.paused = running.chosen = running.metadata_in_worker = running.slot = false;
  running.progress = {};
  running.tried.reset();
  running.record.reset();                     // it grows with the next try
  running.turns = running.patience->tries();  // what was never tried comes first
  running.no_room_since_us.reset();
  running.refused_reason.clear();
  running.refused_detail.clear();
  running.lane.revival.end(running.attempt.text(), session_.clock().boot_us());
  return true;
}

Result<EntryId> Acquisitions::record_stall(Running const& running, SwarmPart const& ending) {
  Clock& clock = session_.clock();
  Json body{{"reason", ending.reason},
            {"detail", shown(ending.detail.empty() ? reason_text(ending.reason) : ending.detail, 500)},
            {"try", running.patience->tries()},
            {"next_try_utc", utc_text(clock.utc_us() + running.patience->next_try_us() - clock.boot_us())}};
  if (running.tried) body["tried"] = tried_json(running);
  return session_.recorder().record(
      EntryDraft{"acquisition.stalled", std::move(body), running.case_name, {}, running.attempt, {}, {}});
}

/// `cause`: the entry that told of the end, or that it lies by.
Result<void> Acquisitions::tell_refused(Running& running, EntryId const& cause) {
  Intake const& intake = running.intake;
  std::uint64_t const refused = intake.refused.size() + intake.refused_more;
  auto const told_before = running.incidents_told;
  for (std::size_t i = 0; i < std::min<std::uint64_t>(refused, incidents_max); ++i) {
    std::string why = intake.refused[i];
    // What an earlier try was refused, too, is told once.
    if (told_before.contains(why)) continue;
    if (running.incidents_told.size() < incidents_max) running.incidents_told.insert(why);
    if (i + 1 == incidents_max && refused > incidents_max)
      why = "and " + std::to_string(refused - i) + " more, the first of them: " + why;
    IMPOUND_CHECK(session_.recorder().record(
        EntryDraft{"incident.raised",
                   {{"what", "a file of an acquisition could not be sealed"}, {"detail", shown(why, 500)}},
                   running.case_name,
                   cause,
                   {},
                   {},
                   {}}));
  }
  return ok();
}

void Acquisitions::try_due_again() {
  for (auto& [id, running] : running_)
    if (running.patience && running.patience->take_due(session_.clock().boot_us()))
      spdlog::info("job={} event=tried_again tries={}", id, running.patience->tries());
}

/// Metadata that is sealed need not come from a peer once more. The worker reads it like any .torrent.
void Acquisitions::bring_metadata(Running& running) {
  if (running.metainfo && !running.job.torrent) running.job.torrent = "d4:info" + running.metainfo->info + "e";
}

/// Somebody names a torrent that lies by: whom else to ask, and its metadata where that was what lacked, and then the
/// next try comes sooner. What runs already goes on as it is.
Result<void> Acquisitions::named_again(Running& running, Wanted const& wanted) {
  if (!lies_by(running)) return ok();
  Wanted fresh = wanted;
  OpenAcquisition open = as_open(running);
  bound_sources(fresh, &open);
  auto const asked = job_for(fresh, running.attempt, running.lane.route);
  bool const trackers = !agent::join_sources(running.job.trackers, asked.trackers).empty();
  bool const peers = !agent::join_sources(running.job.peers, asked.peers).empty();
  bool const web_seeds = !agent::join_sources(running.job.web_seeds, asked.web_seeds).empty();
  if (trackers || peers || web_seeds) IMPOUND_CHECK(record_resumption(fresh, open, running.lane, running.staged_bytes));
  running.patience->hurry(session_.clock().boot_us());
  if (running.metainfo || !wanted.target.torrent) return ok();
  auto metainfo = fetchers::read_torrent(*wanted.target.torrent, fetchers::MetainfoLimits{});
  if (!metainfo) return ok();  // its source's word; the peers' may be better
  running.torrent_capture = wanted.target.torrent_capture;
  running.torrent_media_type = wanted.target.torrent_media_type;
  IMPOUND_CHECK(take_metainfo(running, std::move(metainfo).value(), *wanted.target.torrent, true));
  running.job.torrent = wanted.target.torrent;
  running.job.hashes = running.hashes;
  return running.refused_reason.empty() ? Result<void>{ok()} : end_refused(running.attempt.text());
}

/// What its entries say of it, for whoever goes on with it.
OpenAcquisition Acquisitions::as_open(Running const& running) {
  OpenAcquisition open{.attempt = running.attempt, .hashes = running.hashes};
  open.case_name = running.case_name;
  open.cause = EntryId::parse(running.cause);
  open.body = Json{{"trackers", listed(running.job.trackers)}, {"peers", listed(peer_texts(running.job.peers))}};
  add_web_seeds(open.body, running.job.web_seeds);
  return open;
}

std::size_t Acquisitions::lying_by() const {
  return static_cast<std::size_t>(
      std::count_if(running_.begin(), running_.end(), [](auto const& one) { return lies_by(one.second); }));
}

}  // namespace impound::agent
