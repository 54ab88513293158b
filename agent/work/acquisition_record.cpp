// The swarm record on its way into the vault: what a worker left of who delivered what. See acquisition.h.
//
// The worker is not trusted: the record is read bounded, held against its own form and the acquisition's info-hash, and
// the bytes that were judged are those that are sealed. One that is refused is told in the result's detail, and stops
// nothing.
#include "agent/work/acquisition.h"
#include "agent/work/staging.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/swarm_record.h"

namespace impound::agent {

using evidence::EntryDraft;

Result<void> Acquisitions::on(SwarmLane&, fetchers::SwarmRecord const& event) {
  if (Running* const running = find(event.job)) running->record = event;
  return ok();
}

/// As the worker told of it; where it died before that, as it lies there, up to its last whole item. "" for none.
Result<std::string> Acquisitions::read_swarm_record(LeftRecord const& left) {
  bool const told = left.told.has_value();
  std::string const name = told ? left.told->staged_path : std::string{fetchers::record_file_name};
  std::string const path = staging_path(left.staging) + "/" + name;
  auto const facts = session_.disk().facts_of(path);
  if (!facts && facts.error().code == Code::not_found && !told) return std::string{};
  if (!facts) return facts.error();
  if (facts.value().type != FileFacts::Type::file || facts.value().links != 1)
    return Error{Code::refused, "it is no plain file", name, {}};
  IMPOUND_TRY(bytes, read_whole(session_.disk(), path, fetchers::record_bytes_max));
  if (told && bytes.size() != left.told->bytes)
    return Error{Code::malformed, "it has another size than the worker said", name, {}};
  if (!told) {
    fetchers::RecordReader reader{bytes};
    for (auto item = reader.next(); item && item.value();) item = reader.next();
    bytes.resize(reader.position());
    if (bytes.empty()) return bytes;
  }
  IMPOUND_CHECK(fetchers::check_record(bytes, left.hashes));
  return bytes;
}

/// The exhibit that the result names. A run that takes the attempt up finds the one of the run before: the same bytes
/// are not sealed again, and where no worker left another it stays the one. `refused`: why there is none though a
/// worker left one.
Result<std::optional<EntryId>> Acquisitions::seal_swarm_record(LeftRecord const& left, std::string& refused) {
  auto const before = left.sealed_before ? EntryId::parse(left.sealed_before->exhibit) : std::nullopt;
  auto const bytes = read_swarm_record(left);
  if (!bytes) {
    refused = "the swarm record is refused: " + line(bytes.error());
    return before;
  }
  if (bytes.value().empty()) return before;
  if (before && left.sealed_before->sha256 == hex(sha256(bytes_of(bytes.value())))) return before;
  EntryId const exhibit = session_.new_id();
  Json origin{{"type", "torrent"}};
  add_hashes(origin, left.hashes);
  EntryDraft draft{
      "exhibit.sealed", {{"role", "swarm_record"}, {"media_type", fetchers::record_media_type}, {"origin", origin}},
      left.case_name,   left.attempt,
      left.attempt,     {},
      exhibit};
  auto sealed = session_.sealing().seal_bytes(bytes_of(bytes.value()), std::move(draft));
  if (!sealed && sealed.error().code != Code::no_space) return std::move(sealed).error();
  if (!sealed) session_.disk_full("sealing the swarm record of a torrent");
  // As with the file list: a full disk must not keep the result from being told.
  if (!sealed || sealed.value().refused) return before;
  return std::optional{exhibit};
}

}  // namespace impound::agent
