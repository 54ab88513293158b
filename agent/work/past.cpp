#include "agent/work/past.h"

#include <algorithm>

#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::ReadEntry;

std::optional<std::string> text_field(Json const& body, char const* name) {
  auto const found = body.find(name);
  if (found == body.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::uint64_t> count_field(Json const& body, char const* name) {
  auto const found = body.find(name);
  if (found == body.end() || !found->is_number_integer() || found->get<std::int64_t>() < 0) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::vector<std::string> texts_field(Json const& body, char const* name) {
  std::vector<std::string> texts;
  auto const found = body.find(name);
  if (found == body.end() || !found->is_array()) return texts;
  for (Json const& one : *found)
    if (one.is_string()) texts.push_back(one.get<std::string>());
  return texts;
}

InfoHashes hashes_field(Json const& body) {
  InfoHashes hashes;
  if (auto const v1 = text_field(body, "info_hash_v1")) hashes.v1 = digest_from_hex<InfoHashV1>(*v1);
  if (auto const v2 = text_field(body, "info_hash_v2")) hashes.v2 = digest_from_hex<InfoHashV2>(*v2);
  return hashes;
}

std::optional<EntryId> acquisition_of(evidence::ReadEntry const& entry, InfoHashes const& torrent) {
  bool const attempt = entry.kind() == "acquisition.attempt";
  if (!attempt && entry.kind() != "acquisition.metadata") return std::nullopt;
  if (!same_torrent(hashes_field(entry.body()), torrent)) return std::nullopt;
  return attempt ? std::optional{entry.id()} : entry.of();
}

void add_hashes(Json& body, InfoHashes const& hashes) {
  if (hashes.v1) body["info_hash_v1"] = hex(*hashes.v1);
  if (hashes.v2) body["info_hash_v2"] = hex(*hashes.v2);
}

std::optional<EntryId> Past::held(InfoHashes const& hashes) const {
  if (hashes.v1)
    if (auto const found = held_v1_.find(*hashes.v1); found != held_v1_.end()) return found->second;
  if (hashes.v2)
    if (auto const found = held_v2_.find(*hashes.v2); found != held_v2_.end()) return found->second;
  return std::nullopt;
}

std::string OpenAcquisition::route() const { return text_field(body, "route").value_or("direct"); }

void Past::mark_held(InfoHashes const& hashes, EntryId const& result) {
  if (hashes.v1) held_v1_.insert_or_assign(*hashes.v1, result);
  if (hashes.v2) held_v2_.insert_or_assign(*hashes.v2, result);
}

std::optional<EntryId> Past::erased(InfoHashes const& hashes) const {
  if (hashes.v1)
    if (auto const found = erased_v1_.find(*hashes.v1); found != erased_v1_.end()) return found->second;
  if (hashes.v2)
    if (auto const found = erased_v2_.find(*hashes.v2); found != erased_v2_.end()) return found->second;
  return std::nullopt;
}

std::optional<EntryId> Past::held(InfoHashes const& hashes, Json const& selection) const {
  if (auto const whole = held(hashes)) return whole;
  auto const same = held_in_part_.find(selection.dump());
  if (same == held_in_part_.end()) return std::nullopt;
  for (HeldInPart const& one : same->second)
    if (same_torrent(one.hashes, hashes)) return one.result;
  return std::nullopt;
}

void Past::mark_held_in_part(InfoHashes const& hashes, Json const& selection, EntryId const& result) {
  held_in_part_[selection.dump()].push_back({hashes, result});
}

OpenAcquisition const* Past::open_for(InfoHashes const& hashes, bool metadata_only) const {
  OpenAcquisition const* other = nullptr;
  for (auto const& [id, open] : open_) {
    if (!same_torrent(open.hashes, hashes)) continue;
    if (open.metadata_only == metadata_only) return &open;
    if (other == nullptr && (!metadata_only || open.metadata_entry)) other = &open;
  }
  return other;
}

void Past::take(ReadEntry const& entry) {
  std::string const kind{entry.kind()};
  Json const& body = entry.body();
  take_stamping(entry);
  warcs_.take(entry);
  digests_.take(kind, body, entry.id(), entry.of());
  if (kind == "capture.attempt") {
    open_captures_.emplace(entry.id(), OpenCapture{body, entry.case_name()});
  } else if (kind == "capture.result") {
    take_capture_result(entry);
  } else if (kind == "acquisition.attempt") {
    OpenAcquisition& open = open_.emplace(entry.id(), OpenAcquisition{.attempt = entry.id()}).first->second;
    open.hashes = hashes_field(body);
    open.body = body;
    open.case_name = entry.case_name();
    open.cause = entry.cause();
    open.begun_utc_us = utc_us_from(entry.utc()).value_or(0);
    open.by_person = entry.json.contains("by");
    open.metadata_only = body.value("metadata_only", Json(false)) == true;
  } else if (kind == "acquisition.metadata" && entry.of()) {
    if (auto const open = open_.find(*entry.of()); open != open_.end()) {
      open->second.metadata_entry = entry.id();
      // A magnet may have named one hash only; the info dict gave the other.
      InfoHashes const found = hashes_field(body);
      if (found.v1) open->second.hashes.v1 = found.v1;
      if (found.v2) open->second.hashes.v2 = found.v2;
    }
  } else if ((kind == "acquisition.resumed" || kind == "acquisition.joined") && entry.of()) {
    if (auto const open = open_.find(*entry.of()); open != open_.end())
      for (char const* key : {"trackers", "peers", "web_seeds", "http_seeds"}) {
        Json& known = open->second.body[key];
        if (!known.is_array()) known = Json::array();
        for (std::string const& text : texts_field(body, key)) known.push_back(text);
      }
  } else if (kind == "acquisition.stalled" && entry.of()) {
    if (auto const open = open_.find(*entry.of()); open != open_.end()) {
      TriesBefore& before = open->second.tries;
      auto const tries = static_cast<unsigned>(std::min<std::uint64_t>(count_field(body, "try").value_or(1), 1'000));
      if (tries <= before.tries) ++before.starts_over;
      before.tries = tries;
    }
  } else if (kind == "acquisition.result") {
    take_acquisition_result(entry);
  } else if (kind == "exhibit.sealed") {
    take_exhibit(entry);
  } else if (kind == "exhibit.erased") {
    held_files_.take_erased(body);
    take_erasure(entry);
  } else if (kind == "job.closed" && entry.cause()) {
    // Worked off, or ended by an operator: either way nobody asks for the item again.
    for (auto* const items : {&followed_, &failed_})
      if (auto const item = items->find(*entry.cause()); item != items->end()) {
        mark_seen(item->second.first, item->second.second);
        items->erase(item);
      }
  } else if (kind == "limit.reached" || kind == "limit.left") {
    if (text_field(body, "limit") == "disk") disk_full_ = kind == "limit.reached";
  } else if (kind == "settings.loaded") {
    settings_sha256_ = text_field(body, "sha256").value_or("");
  }
}

void Past::take_stamping(ReadEntry const& entry) {
  auto const before = stamping_.anchored();
  stamping_.take(entry);
  size_ = entry.index + 1;
  if (entry.kind() == "acquisition.result" || entry.kind() == "exhibit.imported") last_result_ = entry.index;
  if (evidence::is_about_timestamps(entry.kind())) about_timestamps_.push_back(entry.index);
  bool const moved = stamping_.anchored() && (!before || before->size < stamping_.anchored()->size);
  if (entry.index == 0 || moved) since_utc_ = entry.utc();
}

Unanchored Past::unanchored() const {
  std::uint64_t const covered = stamping_.anchored() ? stamping_.anchored()->size : 0;
  Unanchored left;
  if (size_ <= covered) return left;
  auto const first = std::lower_bound(about_timestamps_.begin(), about_timestamps_.end(), covered);
  left.entries = size_ - covered - static_cast<std::uint64_t>(about_timestamps_.end() - first);
  left.result = last_result_ && *last_result_ >= covered;
  if (left.entries > 0) left.since_utc = since_utc_;
  return left;
}

void Past::take_capture_result(ReadEntry const& entry) {
  Json const& body = entry.body();
  if (entry.of()) {
    auto const attempt = open_captures_.find(*entry.of());
    if (attempt != open_captures_.end()) {
      auto const source = text_field(attempt->second.body, "source");
      auto const key = text_field(attempt->second.body, "key");
      // One that a start adopted was not followed: the item is asked for again.
      bool const followed = body.value("recovered", Json(false)) != true;
      if (source && key && followed && text_field(body, "outcome") == "captured") {
        if (count_field(body, "references").value_or(0) == 0)
          mark_seen(*source, *key);
        else
          followed_.emplace(entry.id(), std::pair{*source, *key});
      } else if (source && key) {
        failed_.emplace(entry.id(), std::pair{*source, *key});
      }
      open_captures_.erase(attempt);
    }
  }
}

void Past::note_sealed(Json const& body, EntryId const& exhibit) {
  digests_.take("exhibit.sealed", body, exhibit, {});
  held_files_.take_sealed(body, exhibit);
}

void Past::take_exhibit(ReadEntry const& entry) {
  Json const& body = entry.body();
  exhibits_.insert_or_assign(entry.id(), entry.of());
  held_files_.take_sealed(body, entry.id());
  auto const digest = digest_from_hex<Sha256>(text_field(body, "sha256").value_or(""));
  if (digest) objects_.insert(*digest);
  if (!entry.of()) return;
  auto const open = open_.find(*entry.of());
  if (open == open_.end()) return;
  auto const role = text_field(body, "role");
  if (role == "torrent" || role == "info_dict") {
    open->second.torrent = digest;
    open->second.torrent_is_whole = role == "torrent";
  }
  if (role == "swarm_record")
    open->second.swarm_record = {text_field(body, "sha256").value_or(""), entry.id().text(),
                                 count_field(body, "size").value_or(0)};
  bool const part = role == "payload_part";
  if ((role == "payload" || part) && body.contains("origin")) {
    auto& files = part ? open->second.parts : open->second.sealed;
    if (auto const path = text_field(body["origin"], "path_hex"))
      files[*path] = {text_field(body, "sha256").value_or(""), entry.id().text(), count_field(body, "size").value_or(0),
                      text_field(body, "taken_from").value_or("")};
  }
}

void Past::take_acquisition_result(ReadEntry const& entry) {
  if (!entry.of()) return;
  auto const open = open_.find(*entry.of());
  if (open == open_.end()) return;
  bool const complete = text_field(entry.body(), "state") == "complete";
  if (complete && count_field(entry.body(), "files_left_out").value_or(0) == 0)
    mark_held(open->second.hashes, entry.id());
  else if (complete)
    mark_held_in_part(open->second.hashes, open->second.body.value("selection", Json::object()), entry.id());
  ended_.insert_or_assign(*entry.of(), open->second.hashes);
  open_.erase(open);
}

void Past::take_erasure(ReadEntry const& entry) {
  auto const exhibit = EntryId::parse(text_field(entry.body(), "exhibit").value_or(""));
  auto const sealed = exhibit ? exhibits_.find(*exhibit) : exhibits_.end();
  if (sealed == exhibits_.end() || !sealed->second) return;
  // However it ended, and even while it is open: what was ordered gone is not fetched again.
  auto const ended = ended_.find(*sealed->second);
  auto const open = open_.find(*sealed->second);
  if (ended == ended_.end() && open == open_.end()) return;
  InfoHashes const& hashes = ended != ended_.end() ? ended->second : open->second.hashes;
  for (auto& [selection, held] : held_in_part_)
    std::erase_if(held, [&](HeldInPart const& one) { return same_torrent(one.hashes, hashes); });
  if (hashes.v1) {
    held_v1_.erase(*hashes.v1);
    erased_v1_.insert_or_assign(*hashes.v1, entry.id());
  }
  if (hashes.v2) {
    held_v2_.erase(*hashes.v2);
    erased_v2_.insert_or_assign(*hashes.v2, entry.id());
  }
}

}  // namespace impound::agent
