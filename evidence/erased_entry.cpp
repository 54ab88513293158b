#include "evidence/erased_entry.h"

#include <algorithm>
#include <array>

#include "evidence/formats/hex.h"

namespace impound::evidence {

namespace {

constexpr auto blankable = std::to_array<std::string_view>({
    "acquisition.attempt",
    "acquisition.joined",
    "acquisition.metadata",
    "acquisition.result",
    "acquisition.resumed",
    "acquisition.stalled",
    "alert.raised",
    "availability.changed",
    "availability.checked",
    "capture.attempt",
    "capture.result",
    "exhibit.digested",
    "exhibit.imported",
    "exhibit.sealed",
    "incident.raised",
    "input.refused",
    "note.added",
    "reference.found",
    "sighting.found",
    "watch.hit",
});

constexpr std::size_t list_max = 50;

Error malformed(char const* what) { return Error{Code::malformed, what, {}, {}}; }

std::optional<std::string> text_at(Json const& json, char const* key) {
  auto const found = json.find(key);
  return found != json.end() && found->is_string() ? std::optional{found->get<std::string>()} : std::nullopt;
}

std::optional<std::uint64_t> number_at(Json const& json, char const* key) {
  auto const found = json.find(key);
  return found != json.end() && found->is_number_unsigned() ? std::optional{found->get<std::uint64_t>()} : std::nullopt;
}

std::optional<Sha256> digest_at(Json const& json, char const* key) {
  auto const text = text_at(json, key);
  return text ? digest_from_hex<Sha256>(*text) : std::nullopt;
}

std::optional<EntryId> id_at(Json const& json, char const* key) {
  auto const text = text_at(json, key);
  return text ? EntryId::parse(*text) : std::nullopt;
}

bool is_warc_path(std::string const& file) {
  return file.starts_with("warc/") && file.size() > 5 && file.find('/', 5) == std::string::npos;
}

Result<ErasedRecord> record_from(Json const& json) {
  if (!json.is_object()) return malformed("a record is no object");
  auto const file = text_at(json, "file");
  auto const offset = number_at(json, "offset");
  auto const length = number_at(json, "length");
  auto const digest = digest_at(json, "sha256");
  if (!file || !is_warc_path(*file) || !offset || !length || *length == 0 || !digest)
    return malformed("a record without file, offset, length or sha256");
  constexpr auto largest = static_cast<std::uint64_t>(json_integer_max);
  if (*offset > largest || *length > largest) return malformed("a record's offset or length is too large");
  return ErasedRecord{*file, *offset, *length, *digest};
}

Result<RewrittenFile> file_from(Json const& json) {
  if (!json.is_object()) return malformed("a file is no object");
  auto const file = text_at(json, "file");
  auto const before = digest_at(json, "sha256_before");
  if (!file || !is_warc_path(*file) || !before) return malformed("a file without its name or sha256_before");
  RewrittenFile rewritten{*file, *before, digest_at(json, "sha256_after"), number_at(json, "bytes_after").value_or(0)};
  if (rewritten.after.has_value() != json.contains("sha256_after") ||
      rewritten.after.has_value() != (rewritten.bytes_after > 0))
    return malformed("a file's sha256_after or bytes_after");
  return rewritten;
}

template <class T>
Result<std::vector<T>> list_from(Json const& body, char const* key, Result<T> (*one_from)(Json const&)) {
  std::vector<T> list;
  auto const found = body.find(key);
  if (found == body.end() || !found->is_array() || found->empty() || found->size() > list_max)
    return malformed("records or files are no list of 1 to 50");
  for (Json const& json : *found) {
    IMPOUND_TRY(one, one_from(json));
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

bool may_be_blanked(std::string_view kind) {
  return std::find(blankable.begin(), blankable.end(), kind) != blankable.end();
}

Json to_json(ErasedExhibit const& erased) {
  Json body{{"index", erased.index}};
  if (erased.object) {
    body["sha256"] = hex(erased.object->sha256);
    body["size"] = json_number(erased.object->size);
    if (erased.id) body["exhibit"] = erased.id->text();
    return body;
  }
  if (erased.id) body["capture"] = erased.id->text();
  Json records = Json::array();
  for (ErasedRecord const& one : erased.records)
    records.push_back(
        {{"file", one.file}, {"offset", one.offset}, {"length", one.length}, {"sha256", hex(one.sha256)}});
  Json files = Json::array();
  for (RewrittenFile const& one : erased.files) {
    Json file{{"file", one.file}, {"sha256_before", hex(one.before)}};
    if (one.after) {
      file["sha256_after"] = hex(*one.after);
      file["bytes_after"] = one.bytes_after;
    }
    files.push_back(std::move(file));
  }
  body["records"] = std::move(records);
  body["files"] = std::move(files);
  return body;
}

Json to_json(ErasedEntry const& erased) {
  Json body{{"index", erased.index}, {"kind", erased.kind}, {"leaf_hash", hex(erased.leaf)}};
  if (erased.id) body["entry"] = erased.id->text();
  if (erased.of) body["of"] = erased.of->text();
  if (erased.cause) body["cause"] = erased.cause->text();
  return body;
}

Result<ErasedExhibit> erased_exhibit_from(ReadEntry const& entry) {
  Json const& body = entry.body();
  ErasedExhibit erased;
  auto const index = number_at(body, "index");
  if (!index || *index >= entry.index) return malformed("it names no earlier entry");
  if (!entry.text("order")) return malformed("it names no order");
  erased.index = *index;
  bool const of_capture = body.contains("capture");
  erased.id = id_at(body, of_capture ? "capture" : "exhibit");
  if (!erased.id) return malformed("it names neither an exhibit nor a capture");
  if (of_capture) {
    IMPOUND_TRY(records, list_from<ErasedRecord>(body, "records", record_from));
    IMPOUND_TRY(files, list_from<RewrittenFile>(body, "files", file_from));
    erased.records = std::move(records);
    erased.files = std::move(files);
    for (ErasedRecord const& record : erased.records)
      if (std::none_of(erased.files.begin(), erased.files.end(),
                       [&](RewrittenFile const& file) { return file.file == record.file; }))
        return malformed("a record is in no file that it names");
    return erased;
  }
  auto const digest = digest_at(body, "sha256");
  auto const size = entry.number("size");
  if (!digest || !size) return malformed("it names no object");
  erased.object = ErasedObject{*digest, *size};
  return erased;
}

Result<ErasedEntry> erased_entry_from(ReadEntry const& entry) {
  Json const& body = entry.body();
  ErasedEntry erased;
  auto const index = number_at(body, "index");
  if (!index || *index >= entry.index) return malformed("it names no earlier entry");
  if (!entry.text("order")) return malformed("it names no order");
  erased.index = *index;
  erased.id = id_at(body, "entry");
  auto const kind = text_at(body, "kind");
  auto const leaf = text_at(body, "leaf_hash");
  auto const digest = leaf ? digest_from_hex<LeafHash>(*leaf) : std::nullopt;
  if (!erased.id || !kind || !digest) return malformed("it names no entry, kind or leaf hash");
  if (erased.index == 0 || !may_be_blanked(*kind)) return malformed("an entry of this kind is never erased");
  erased.kind = *kind;
  erased.leaf = *digest;
  erased.of = id_at(body, "of");
  erased.cause = id_at(body, "cause");
  return erased;
}

}  // namespace impound::evidence
