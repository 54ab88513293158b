// Attempts that earlier runs left open and that end without a worker: another one has completed the torrent, or an
// operator has cancelled them. See acquisition.h.
#include <utility>
#include <vector>

#include "agent/work/acquisition.h"
#include "agent/work/staging.h"

namespace impound::agent {

using evidence::EntryDraft;

/// `folder`: below staging/swarm, "" where its route is gone.
Result<EntryDraft> Acquisitions::result_of_left(OpenAcquisition const& open, std::string const& folder,
                                                std::string const& detail) {
  std::uint64_t bytes = 0;
  for (auto const& [path_hex, before] : open.sealed) bytes += before.size;
  Json body{{"state", open.sealed.empty() ? "failed" : "partial"}, {"reason", "cancelled"}, {"detail", detail}};
  for (char const* count : {"files", "bytes", "downloaded_payload_bytes", "uploaded_payload_bytes"}) body[count] = 0;
  body["files_sealed"] = open.sealed.size();
  body["bytes_sealed"] = bytes;
  add_hashes(body, open.hashes);
  // Who delivered what of it is no less true because it comes to nothing.
  if (!folder.empty()) {
    std::string refused;
    IMPOUND_TRY(record,
                seal_swarm_record({open.attempt, open.hashes, open.case_name, folder, {}, open.swarm_record}, refused));
    if (record) body["swarm_record"] = record->text();
  }
  return EntryDraft{"acquisition.result", std::move(body), open.case_name, {}, open.attempt, {}, {}};
}

/// Attempts for the same torrent that earlier runs left open: nothing is left for them to do.
Result<void> Acquisitions::close_others(InfoHashes const& hashes, EntryId const& completed_by) {
  std::vector<OpenAcquisition> others;
  for (auto const& [attempt, open] : session_.past().open_acquisitions())
    if (same_torrent(open.hashes, hashes) && !running_.contains(attempt.text()))  // those that run: end_same()
      others.push_back(open);
  for (OpenAcquisition& other : others) {
    other.hashes = hashes;
    Route const* const route = routes_.find(other.route());
    std::string const folder = route != nullptr ? route->name + "/" + other.attempt.text() : std::string{};
    IMPOUND_TRY(result, result_of_left(other, folder, "another acquisition of this torrent is complete"));
    result.cause = completed_by;
    IMPOUND_CHECK(session_.recorder().record(std::move(result)));
    session_.past().close(other.attempt);
    if (!folder.empty()) remove_staging_folder(session_.disk(), folder);
  }
  return ok();
}

Result<EntryId> Acquisitions::cancel(EntryId const& attempt, EntryDraft closed) {
  auto const& all = session_.past().open_acquisitions();
  auto const found = all.find(attempt);
  if (found == all.end() || running_.contains(attempt.text()))
    return Error{Code::not_found, "this acquisition is not open", attempt.text(),
                 "impound jobs list names those that are"};
  OpenAcquisition const open = found->second;
  Route const* const route = routes_.find(open.route());
  std::string const folder = route != nullptr ? route->name + "/" + attempt.text() : std::string{};
  IMPOUND_TRY(result, result_of_left(open, folder, "cancelled by an operator"));
  closed.id = session_.new_id();
  result.cause = closed.id;
  result.id = session_.new_id();
  EntryId const id = *result.id;
  std::vector<EntryDraft> both;
  both.push_back(std::move(closed));
  both.push_back(std::move(result));
  IMPOUND_CHECK(session_.recorder().record(std::move(both)));
  session_.past().close(attempt);
  if (!folder.empty()) remove_staging_folder(session_.disk(), folder);
  return id;
}

}  // namespace impound::agent
