#include "evidence/verify/entry_check.h"

#include <algorithm>
#include <array>

#include "evidence/formats/hex.h"
#include "evidence/values/must.h"
#include "evidence/values/utc_time.h"
#include "evidence/verify/lean_entry.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

namespace {

template <class T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

IdBytes id_bytes(EntryId const& id) {
  auto const bytes = read_id_bytes(id.text());
  must(bytes.has_value());  // EntryId has checked its form
  return *bytes;
}

/// Kinds of which a log has many, and of which nothing is asked but what LeanEntry has. A kind that something else here
/// looks at must not stand among them.
constexpr auto lean_kinds =
    std::to_array<std::string_view>({"acquisition.attempt", "acquisition.metadata", "acquisition.result",
                                     "availability.checked", "capture.attempt", "copy.made", "exhibit.digested",
                                     "exhibit.sealed", "job.closed", "note.added", "reference.found", "source.polled"});
static_assert(std::is_sorted(lean_kinds.begin(), lean_kinds.end()));

}  // namespace

void Named::settle() {
  auto const gone = [this](std::uint64_t index) {
    auto const found = erasures.bytes().find(index);
    return found == erasures.bytes().end() ? nullptr : &found->second;
  };
  std::erase_if(objects, [&](NamedObject const& object) {
    auto* const erased = gone(object.index);
    if (erased == nullptr || !erased->erased.object) return false;
    erased->found = erased->erased.object->sha256 == object.sha256 && erased->erased.object->size == object.size;
    return erased->found;
  });
  sort_unique(objects);
  for (auto file = records.begin(); file != records.end();) {
    std::erase_if(file->second, [&](NamedRecord const& record) {
      auto* const erased = gone(record.index);
      if (erased == nullptr) return false;
      // Of a capture either all records go or none: one that stays is missing at its place.
      for (ErasedRecord const& one : erased->erased.records)
        if (one.file == file->first && one.sha256 == record.sha256 && one.offset == record.offset &&
            one.length == record.length)
          return erased->found = true;
      return false;
    });
    sort_unique(file->second);
    file = file->second.empty() ? records.erase(file) : std::next(file);
  }
  rewritten.clear();
  for (auto const& [index, bytes] : erasures.bytes()) {
    for (ErasedRecord const& one : bytes.erased.records)
      rewritten[one.file].cuts.push_back({{one.offset, one.length, one.sha256, index}, bytes.by_entry});
    for (RewrittenFile const& one : bytes.erased.files) {
      RewrittenWarc& file = rewritten[one.file];
      if (bytes.by_entry < file.first_by_entry) {
        file.first_by_entry = bytes.by_entry;
        file.before = one.before;
      }
      if (bytes.by_entry < file.last_by_entry) continue;
      file.last_by_entry = bytes.by_entry;
      file.after = one.after;
    }
  }
}

bool Named::has_object(Sha256 const& digest) const {
  auto const found = std::lower_bound(objects.begin(), objects.end(), NamedObject{digest, 0, 0});
  return found != objects.end() && found->sha256 == digest;
}

std::optional<std::uint64_t> Named::end_of(std::string const& file) const {
  auto const found = records.find(file);
  if (found == records.end()) return std::nullopt;
  std::uint64_t end = 0;
  if (rewritten.contains(file)) {
    for (NamedRecord const& record : found->second) end += record.length;
    return end;
  }
  for (NamedRecord const& record : found->second) end = std::max(end, record.offset + record.length);
  return end;
}

std::uint64_t Named::named_objects() const {
  std::uint64_t count = 0;
  for_each_object([&](NamedObject const&) { ++count; });
  return count;
}

std::uint64_t Named::named_records() const {
  std::uint64_t count = 0;
  for_each_record([&](NamedRecord const&) { ++count; });
  return count;
}

std::uint64_t Named::bytes() const {
  std::uint64_t sum = 0;
  for_each_object([&](NamedObject const& object) { sum += object.size; });
  for_each_record([&](NamedRecord const& record) { sum += record.length; });
  return sum;
}

/// True when all that is to be said of the entry was said: it is of a kind that only exhibits and the order of ids ask
/// for, and there is nothing wrong with it. Everything else is left to the document.
bool EntryCheck::take_lean(std::uint64_t index, LeanEntry const& entry) {
  if (index == 0 || !std::binary_search(lean_kinds.begin(), lean_kinds.end(), entry.kind)) return false;
  if (entry.session != last_session_ && !ids_.contains(entry.session)) return false;
  for (auto const& other : {entry.of, entry.cause})
    if (other && !ids_.contains(*other)) return false;
  std::optional<Sha256> object;
  if (entry.kind == "exhibit.sealed") {
    object = digest_from_hex<Sha256>(entry.sha256);
    if (!object || !entry.size) return false;
  }
  if (entry.id == entry.session || !ids_.insert(entry.id).second) return false;
  last_session_ = entry.session;
  if (!object) return true;
  ++named_.exhibits;
  named_.objects.push_back({*object, *entry.size, index});
  return true;
}

std::optional<LeanEntry> EntryCheck::read_ahead(std::string_view bytes) const {
  auto entry = read_lean_entry(bytes);
  if (entry) ids_.prefetch(entry->id);
  return entry;
}

EntryCheck::Taken EntryCheck::add(std::uint64_t index, std::string_view bytes, std::optional<LeanEntry> const& lean) {
  if (lean && !wanted_times_.contains(index) && take_lean(index, *lean)) return Taken::lean;
  take_whole(index, bytes);
  return Taken::whole;
}

void EntryCheck::take_whole(std::uint64_t index, std::string_view bytes) {
  std::string const where = "entry " + std::to_string(index);
  auto read = read_entry(index, bytes);
  if (!read) {
    verdict_->add(What::malformed, where, line(read.error()));
    return;
  }
  ReadEntry const& entry = read.value();
  check_ids(entry, where);
  if (index == 0) {
    auto const digest = entry.text("vault_toml_sha256");
    if (digest) named_.vault_toml = digest_from_hex<Sha256>(*digest);
    if (entry.kind() != "vault.created" || !named_.vault_toml)
      verdict_->add(What::malformed, where, "the first entry must be vault.created and name the digest of vault.toml");
  }
  if (entry.kind() == "agent.started") named_.session_open = true;
  if (entry.kind() == "agent.stopped") named_.session_open = false;
  if (entry.kind() == "exhibit.sealed") take_exhibit(entry, where);
  if (entry.kind() == "capture.result") take_capture(entry, where);
  if (entry.kind() == "warc.closed") take_closing(entry, where);
  if (entry.kind() == "timestamp.attempt") named_.stampings.take_attempt(entry, where, *verdict_);
  if (entry.kind() == "timestamp.result") named_.stampings.take_result(entry, where, *verdict_);
  if (wanted_times_.contains(index)) take_time(entry);
  if (entry.kind() == "exhibit.erased") named_.erasures.take(entry, {}, where, *verdict_);
  if (entry.kind() == "entry.erased") {
    auto const id = EntryId::parse(entry.text("entry").value_or(""));
    if (named_.erasures.take(entry, id ? id_bytes(*id) : IdBytes{}, where, *verdict_) && id &&
        !ids_.insert(id_bytes(*id)).second)
      verdict_->add(What::malformed, where, "the id of what it orders gone is another entry's: " + id->text());
  }
}

void EntryCheck::check_ids(ReadEntry const& entry, std::string const& where) {
  IdBytes const id = id_bytes(entry.id());
  auto const known_before = [this](EntryId const& other) { return ids_.contains(id_bytes(other)); };
  bool const own_session = entry.session() == entry.id();
  bool const may_begin = entry.kind() == "vault.created" || entry.kind() == "agent.started";
  if (own_session ? !may_begin : !known_before(entry.session()))
    verdict_->add(What::malformed, where, "its session began in no earlier entry: " + entry.session().text());
  check_reference(entry, entry.of(), "no earlier entry has the id it belongs to: ", where);
  check_reference(entry, entry.cause(), "no earlier entry has the id of its cause: ", where);
  if (!ids_.insert(id).second)
    verdict_->add(What::malformed, where, "an earlier entry has the same id: " + entry.id().text());
}

/// A blanked entry had an id, too: whether it was this one, its entry.erased says later.
void EntryCheck::check_reference(ReadEntry const& entry, std::optional<EntryId> const& to, std::string detail,
                                 std::string const& where) {
  if (!to || ids_.contains(id_bytes(*to))) return;
  named_.erasures.refer(entry.index, id_bytes(*to), {What::malformed, where, std::move(detail) + to->text()});
}

void EntryCheck::take_exhibit(ReadEntry const& entry, std::string const& where) {
  auto const text = entry.text("sha256");
  auto const digest = text ? digest_from_hex<Sha256>(*text) : std::nullopt;
  auto const size = entry.number("size");
  if (!digest || !size) {
    verdict_->add(What::malformed, where, "an exhibit without sha256 or size");
    return;
  }
  ++named_.exhibits;
  named_.objects.push_back({*digest, *size, entry.index});
}

void EntryCheck::take_time(ReadEntry const& entry) {
  Json const& time = entry.json.at("time");  // its form was checked
  auto const us = utc_us_from(entry.utc());
  if (us && time.value("clock", "") == "synchronised") times_[entry.index] = *us;
}

std::optional<std::int64_t> EntryCheck::synchronised_time_of(std::uint64_t index) const {
  auto const found = times_.find(index);
  return found == times_.end() ? std::nullopt : std::optional{found->second};
}

void EntryCheck::take_closing(ReadEntry const& entry, std::string const& where) {
  auto closed = closed_warc_from(entry);
  if (!closed) {
    verdict_->add(What::malformed, where, line(closed.error()));
    return;
  }
  std::string const file = closed.value().file;
  auto const [known, fresh] = named_.closings.try_emplace(file, NamedClosing{std::move(closed).value(), entry.index});
  if (!fresh)
    verdict_->add(What::malformed, where, file + " was closed before, by entry " + std::to_string(known->second.index));
}

void EntryCheck::take_capture(ReadEntry const& entry, std::string const& where) {
  ++named_.captures;
  auto const found = entry.body().find("records");
  if (found == entry.body().end()) return;  // not kept
  if (!found->is_array()) {
    verdict_->add(What::malformed, where, "records is no list");
    return;
  }
  for (Json const& json : *found) {
    auto record = written_record_from(json);
    if (!record) {
      verdict_->add(What::malformed, where, line(record.error()));
      continue;
    }
    WrittenRecord const& place = record.value();
    named_.records[place.file].push_back({place.offset, place.length, place.sha256, entry.index});
  }
}

}  // namespace impound::evidence
