#include "evidence/verify/entry_check.h"

#include <algorithm>
#include <cstring>

#include "evidence/formats/hex.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

namespace {

template <class T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// The 16 bytes of an id; EntryId has checked its form.
std::array<std::byte, 16> id_bytes(EntryId const& id) {
  std::string digits = id.text();
  std::erase(digits, '-');
  std::array<std::byte, 16> bytes{};
  if (auto const found = from_hex(digits); found && found->size() == bytes.size())
    std::copy(found->begin(), found->end(), bytes.begin());
  return bytes;
}

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

std::size_t EntryCheck::IdHash::operator()(IdBytes const& id) const {
  std::size_t hash = 0;
  std::memcpy(&hash, id.data() + 8, sizeof hash);  // the random half of a UUID v7
  return hash;
}

void EntryCheck::add(std::uint64_t index, std::string_view bytes) {
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
  if (entry.kind() == "exhibit.erased") named_.erasures.take(entry, {}, where, *verdict_);
  if (entry.kind() == "entry.erased") {
    auto const id = EntryId::parse(entry.text("entry").value_or(""));
    named_.erasures.take(entry, id ? id_bytes(*id) : IdBytes{}, where, *verdict_);
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
