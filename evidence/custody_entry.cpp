#include "evidence/custody_entry.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"
#include "evidence/values/must.h"
#include "evidence/values/utc_time.h"

namespace impound::evidence {

namespace {

constexpr auto all_kinds = std::to_array<std::string_view>({
    "acquisition.attempt",
    "acquisition.joined",
    "acquisition.metadata",
    "acquisition.result",
    "acquisition.resumed",
    "acquisition.stalled",
    "agent.recovered",
    "agent.started",
    "agent.stopped",
    "alert.raised",
    "availability.changed",
    "availability.checked",
    "capture.attempt",
    "capture.result",
    "case.assigned",
    "case.changed",
    "case.closed",
    "case.opened",
    "clock.stepped",
    "copy.made",
    "cosign.attempt",
    "cosign.result",
    "entry.erased",
    "exhibit.digested",
    "exhibit.erased",
    "exhibit.imported",
    "exhibit.sealed",
    "export.created",
    "incident.raised",
    "input.refused",
    "job.closed",
    "key.rotated",
    "limit.left",
    "limit.reached",
    "note.added",
    "reference.found",
    "rollback.accepted",
    "settings.loaded",
    "sighting.found",
    "source.changed",
    "source.polled",
    "timestamp.attempt",
    "timestamp.result",
    "vault.created",
    "vault.verified",
    "warc.closed",
    "watch.hit",
    "worker.ended",
});
static_assert(std::is_sorted(all_kinds.begin(), all_kinds.end()));

constexpr std::size_t salt_bytes = 16;

Error malformed(std::string what, std::uint64_t index) {
  return Error{Code::malformed, "not a custody entry: " + std::move(what), "entry " + std::to_string(index), {}};
}
Error bad_draft(std::string what) {
  return Error{Code::malformed, "not a draft of an entry: " + std::move(what), {}, {}};
}

/// A member that is a non-empty text; null when it is absent or something else.
std::string const* text_member(Json const& json, char const* key) {
  if (!json.is_object()) return nullptr;
  auto const found = json.find(key);
  return found != json.end() && found->is_string() ? found->get_ptr<std::string const*>() : nullptr;
}

std::optional<EntryId> id_member(Json const& json, char const* key) {
  std::string const* const text = text_member(json, key);
  return text == nullptr ? std::nullopt : EntryId::parse(*text);
}

bool is_natural(Json const& json, char const* key) {
  auto const found = json.find(key);
  return found != json.end() &&
         (found->is_number_unsigned() || (found->is_number_integer() && found->get<std::int64_t>() >= 0));
}

/// word.word, lowercase.
bool kind_allowed(std::string_view kind) {
  auto const dot = kind.find('.');
  if (kind.size() > 64 || dot == 0 || dot == std::string_view::npos || dot + 1 == kind.size()) return false;
  for (std::size_t i = 0; i < kind.size(); ++i)
    if (i != dot && !((kind[i] >= 'a' && kind[i] <= 'z') || kind[i] == '_')) return false;
  return true;
}

bool only_keys(Json const& json, std::initializer_list<std::string_view> allowed) {
  for (auto item = json.begin(); item != json.end(); ++item)
    if (std::find(allowed.begin(), allowed.end(), item.key()) == allowed.end()) return false;
  return true;
}

bool is_salt(std::string const* text) {
  return text != nullptr && text->size() == 2 * salt_bytes && std::all_of(text->begin(), text->end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Json by_json(By const& by) {
  Json json{{"uid", by.uid}};
  if (!by.login.empty()) json["login"] = by.login;
  if (!by.operator_name.empty()) json["operator"] = by.operator_name;
  return json;
}

/// Nothing when `json` is not what by_json writes.
std::optional<By> by_from(Json const& json) {
  if (!json.is_object() || !only_keys(json, {"login", "operator", "uid"}) || !is_natural(json, "uid"))
    return std::nullopt;
  auto const uid = json.find("uid")->get<std::uint64_t>();
  if (uid > UINT32_MAX) return std::nullopt;
  By by;
  by.uid = static_cast<std::uint32_t>(uid);
  for (auto const& [key, into] : {std::pair{"login", &by.login}, std::pair{"operator", &by.operator_name}}) {
    if (!json.contains(key)) continue;
    std::string const* const text = text_member(json, key);
    if (text == nullptr) return std::nullopt;
    *into = *text;
  }
  return by;
}

bool time_holds(Json const& time) {
  if (!time.is_object() || time.size() != 4 || !is_natural(time, "boot_us")) return false;
  std::string const* const clock = text_member(time, "clock");
  std::string const* const utc = text_member(time, "utc");
  return text_member(time, "boot_id") != nullptr && clock != nullptr && utc != nullptr &&
         (*clock == "synchronised" || *clock == "unsynchronised") && utc_us_from(*utc).has_value();
}

/// What is wrong with the envelope; empty when nothing is.
std::string envelope_fault(Json const& json) {
  if (!json.is_object()) return "no object";
  if (!only_keys(json, {"body", "by", "case", "cause", "id", "kind", "of", "salt", "session", "time", "v"}))
    return "a field that an entry does not have";
  auto const version = json.find("v");
  if (version == json.end() || *version != 1) return "v is not 1";
  std::string const* const kind = text_member(json, "kind");
  if (kind == nullptr || !kind_allowed(*kind)) return "kind";
  if (!json.contains("body") || !json.find("body")->is_object()) return "body";
  for (char const* key : {"id", "session"})
    if (!id_member(json, key)) return key;
  for (char const* key : {"of", "cause"})
    if (json.contains(key) && !id_member(json, key)) return key;
  if (!is_salt(text_member(json, "salt"))) return "salt";
  if (!json.contains("time") || !time_holds(*json.find("time"))) return "time";
  if (json.contains("by") && !by_from(*json.find("by"))) return "by";
  if (json.contains("case")) {
    std::string const* const name = text_member(json, "case");
    if (name == nullptr || !CaseName::parse(*name)) return "case";
  }
  return {};
}

}  // namespace

std::span<std::string_view const> kinds() { return all_kinds; }

bool known_kind(std::string_view kind) { return std::binary_search(all_kinds.begin(), all_kinds.end(), kind); }

Json to_json(EntryDraft const& draft) {
  Json json{{"kind", draft.kind}, {"body", draft.body}};
  if (draft.case_name) json["case"] = draft.case_name->text();
  if (draft.cause) json["cause"] = draft.cause->text();
  if (draft.of) json["of"] = draft.of->text();
  if (draft.id) json["id"] = draft.id->text();
  if (draft.by) json["by"] = by_json(*draft.by);
  return json;
}

Result<EntryDraft> draft_from_json(Json const& json) {
  if (!json.is_object() || !only_keys(json, {"body", "by", "case", "cause", "id", "kind", "of"}))
    return bad_draft("fields");
  std::string const* const kind = text_member(json, "kind");
  if (kind == nullptr || !known_kind(*kind)) return bad_draft("kind");
  if (!json.contains("body") || !json.find("body")->is_object()) return bad_draft("body");
  EntryDraft draft;
  draft.kind = *kind;
  draft.body = *json.find("body");
  for (auto const& [key, into] :
       {std::pair{"cause", &draft.cause}, std::pair{"of", &draft.of}, std::pair{"id", &draft.id}}) {
    if (!json.contains(key)) continue;
    *into = id_member(json, key);
    if (!*into) return bad_draft(key);
  }
  if (json.contains("by")) {
    draft.by = by_from(*json.find("by"));
    if (!draft.by) return bad_draft("by");
  }
  if (json.contains("case")) {
    std::string const* const name = text_member(json, "case");
    if (name != nullptr) draft.case_name = CaseName::parse(*name);
    if (!draft.case_name) return bad_draft("case");
  }
  return draft;
}

Result<Entry> EntryMaker::make(EntryDraft const& draft) {
  if (!known_kind(draft.kind)) return Error{Code::refused, "no kind of custody entry", draft.kind, {}};
  if (!draft.body.is_object()) return Error{Code::refused, "the body of an entry must be an object", draft.kind, {}};
  EntryId const id = draft.id ? *draft.id : EntryId::make(*clock_, *randomness_);
  bool const own_session = draft.kind == "agent.started" || draft.kind == "vault.created";
  if (!own_session && !session_) return Error{Code::usage, "an entry is made before its session began", draft.kind, {}};

  std::array<std::byte, salt_bytes> salt{};
  randomness_->fill(salt);
  Json json = to_json(draft);
  json["id"] = id.text();
  json["salt"] = hex(salt);
  json["session"] = own_session ? id.text() : session_->text();
  json["time"] = {{"boot_id", clock_->boot_id()},
                  {"boot_us", clock_->boot_us()},
                  {"clock", clock_->synchronised() ? "synchronised" : "unsynchronised"},
                  {"utc", utc_text(clock_->utc_us())}};
  json["v"] = 1;
  IMPOUND_TRY(bytes, canonical(json));
  if (bytes.size() > entry_bytes_max)
    return Error{
        Code::refused, "the entry has " + std::to_string(bytes.size()) + " bytes, more than 65,535", draft.kind, {}};
  return Entry{id, draft.kind, std::move(bytes)};
}

Result<ReadEntry> read_entry(std::uint64_t index, std::string_view bytes) {
  if (bytes.size() > entry_bytes_max) return malformed("more than 65,535 bytes", index);
  auto json = read_canonical(bytes);
  if (!json) return malformed(json.error().what, index);
  std::string const fault = envelope_fault(json.value());
  if (!fault.empty()) return malformed(fault, index);
  return ReadEntry{index, std::move(json).value()};
}

// The envelope was checked by read_entry: a field that is missing here is a bug of ours.

std::string const& ReadEntry::kind() const {
  std::string const* const text = text_member(json, "kind");
  must(text != nullptr);
  return *text;
}
EntryId ReadEntry::id() const {
  auto id = id_member(json, "id");
  must(id.has_value());
  return *id;
}
EntryId ReadEntry::session() const {
  auto id = id_member(json, "session");
  must(id.has_value());
  return *id;
}
std::optional<EntryId> ReadEntry::of() const { return id_member(json, "of"); }
std::optional<EntryId> ReadEntry::cause() const { return id_member(json, "cause"); }
std::optional<CaseName> ReadEntry::case_name() const {
  std::string const* const name = text_member(json, "case");
  return name == nullptr ? std::nullopt : CaseName::parse(*name);
}
std::string const& ReadEntry::utc() const {
  must(json.is_object() && json.contains("time"));
  std::string const* const text = text_member(*json.find("time"), "utc");
  must(text != nullptr);
  return *text;
}
Json const& ReadEntry::body() const {
  must(json.is_object() && json.contains("body"));
  return *json.find("body");
}

std::optional<std::string> ReadEntry::text(char const* key) const {
  std::string const* const found = text_member(body(), key);
  return found == nullptr ? std::nullopt : std::optional{*found};
}

std::optional<std::uint64_t> ReadEntry::number(char const* key) const {
  if (is_natural(body(), key)) return body().find(key)->get<std::uint64_t>();
  std::string const* const digits = text_member(body(), key);
  if (digits == nullptr || digits->size() > 20) return std::nullopt;
  std::uint64_t value = 0;
  for (char const c : *digits) {
    if (c < '0' || c > '9') return std::nullopt;
    auto const digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace impound::evidence
