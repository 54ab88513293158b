// Custody entries: what the log says, one canonical JSON object each, at most 65,535 bytes (formats/canonical_json.h).
//
//     {"body":{…},"by":{…},"case":"…","cause":"<id>","id":"<uuid v7>","kind":"capture.result","of":"<id>",
//      "salt":"<32 hex>","session":"<id of agent.started>","time":{"boot_id":"…","boot_us":…,"clock":"…","utc":"…Z"},
//      "v":1}
//
// Here stands the one registry of kinds; config/schema has a JSON Schema for each. An EntryMaker belongs to the
// writer's thread; the rest are pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "evidence/formats/canonical_json.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/values/case_name.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"

namespace impound {
class Clock;
class Randomness;
}  // namespace impound

namespace impound::evidence {

/// All kinds of entry that this version writes or knows to come, sorted. Readers accept others.
std::span<std::string_view const> kinds();
bool known_kind(std::string_view kind);

/// The person who gave the command that an entry stands for.
struct By {
  std::string login;
  std::string operator_name;
  std::uint32_t uid = 0;
  bool operator==(By const&) const = default;
};

/// What a stage wants logged, before it has salt, time and session.
struct EntryDraft {
  std::string kind;
  Json body = Json::object();
  std::optional<CaseName> case_name{};
  std::optional<EntryId> cause{};
  std::optional<EntryId> of{};
  std::optional<By> by{};
  std::optional<EntryId> id{};  // given beforehand where others must name it first (sealing plans)
};

/// A draft as sealing plans keep it.
Json to_json(EntryDraft const& draft);
Result<EntryDraft> draft_from_json(Json const& json);

/// A finished entry: `bytes` is what is logged.
struct Entry {
  EntryId id;
  std::string kind;
  std::string bytes;
};

class EntryMaker {
 public:
  EntryMaker(Clock& clock, Randomness& randomness) : clock_(&clock), randomness_(&randomness) {}
  /// The agent.started entry that those made from now on belong to.
  void session(EntryId id) { session_ = std::move(id); }
  /// agent.started and vault.created are their own session. Code::refused for an unknown kind, a body that canonical
  /// JSON does not allow, or more than 65,535 bytes; Code::usage when no session has begun.
  Result<Entry> make(EntryDraft const& draft);

 private:
  Clock* clock_;
  Randomness* randomness_;
  std::optional<EntryId> session_;
};

/// An entry whose envelope was checked; the accessors cannot fail.
struct ReadEntry {
  std::uint64_t index = 0;
  Json json;

  std::string const& kind() const;
  EntryId id() const;
  EntryId session() const;
  std::optional<EntryId> of() const;
  std::optional<EntryId> cause() const;
  std::optional<CaseName> case_name() const;
  std::string const& utc() const;
  Json const& body() const;

  /// A text, a number or a digest of the body; nothing when it is absent or of another type.
  std::optional<std::string> text(char const* key) const;
  std::optional<std::uint64_t> number(char const* key) const;  // reads decimal strings, too
};

/// Checks the envelope strictly: no other field, every field of its form. Unknown kinds are accepted.
Result<ReadEntry> read_entry(std::uint64_t index, std::string_view bytes);

}  // namespace impound::evidence
