#include "evidence/sealing_plan.h"

#include "evidence/formats/canonical_json.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::evidence {

namespace {

constexpr std::size_t digest_digits = 2 * Sha256::size;

Result<std::string> checked_line(Json const& json) {
  IMPOUND_TRY(text, canonical(json));
  return hex(sha256(bytes_of(text))) + " " + text + "\n";
}

/// The JSON of the line at the front of `bytes`, which is taken off; nothing when it is not whole.
std::optional<Json> take_line(std::string_view& bytes) {
  auto const end = bytes.find('\n');
  if (end == std::string_view::npos || end < digest_digits + 1 || bytes[digest_digits] != ' ') return std::nullopt;
  std::string_view const text = bytes.substr(digest_digits + 1, end - digest_digits - 1);
  if (hex(sha256(bytes_of(text))) != bytes.substr(0, digest_digits)) return std::nullopt;
  auto json = read_canonical(text);
  if (!json) return std::nullopt;
  bytes.remove_prefix(end + 1);
  return std::move(json).value();
}

std::optional<PlannedFile> read_file(Json const& json) {
  if (!json.is_object() || !json.contains("draft") || !json.contains("size") || !json.contains("staged"))
    return std::nullopt;
  if (!json["size"].is_number_unsigned() || !json["staged"].is_string()) return std::nullopt;
  auto const path = from_hex(json["staged"].get_ref<std::string const&>());
  auto draft = draft_from_json(json["draft"]);
  if (!path || !draft || !draft.value().id) return std::nullopt;
  PlannedFile file{std::string(text_of(*path)), json["size"].get<std::uint64_t>(), {}, std::move(draft).value()};
  if (!json.contains("arrival")) return file;
  if (!json["arrival"].is_string()) return std::nullopt;
  file.arrival = digest_from_hex<Sha256>(json["arrival"].get_ref<std::string const&>());
  if (!file.arrival) return std::nullopt;
  return file;
}

std::optional<PlannedDigests> read_digests(Json const& json, std::size_t files) {
  if (!json.is_object() || !json.contains("digests") || !json["digests"].is_array()) return std::nullopt;
  PlannedDigests digests;
  for (Json const& pair : json["digests"]) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_unsigned() || !pair[1].is_string())
      return std::nullopt;
    auto const digest = digest_from_hex<Sha256>(pair[1].get_ref<std::string const&>());
    auto const index = pair[0].get<std::size_t>();
    if (!digest || index >= files) return std::nullopt;
    digests[index] = *digest;
  }
  return digests;
}

}  // namespace

Result<std::string> plan_line(std::span<PlannedFile const> files) {
  Json list = Json::array();
  for (PlannedFile const& file : files) {
    Json one{{"draft", to_json(file.exhibit)}, {"size", file.size}, {"staged", hex(bytes_of(file.staged_path))}};
    if (file.arrival) one["arrival"] = hex(*file.arrival);
    list.push_back(std::move(one));
  }
  return checked_line(Json{{"files", std::move(list)}, {"v", 1}});
}

Result<std::string> digests_line(PlannedDigests const& digests) {
  Json list = Json::array();
  for (auto const& [index, digest] : digests) {
    Json pair = Json::array();
    pair.push_back(index);
    pair.push_back(hex(digest));
    list.push_back(std::move(pair));
  }
  return checked_line(Json{{"digests", std::move(list)}});
}

std::optional<SealingPlan> read_plan(std::string_view bytes) {
  auto const first = take_line(bytes);
  if (!first || !first->is_object() || !first->contains("files") || !(*first)["files"].is_array()) return std::nullopt;
  SealingPlan plan;
  for (Json const& json : (*first)["files"]) {
    auto file = read_file(json);
    if (!file) return std::nullopt;
    plan.files.push_back(std::move(*file));
  }
  if (auto const second = take_line(bytes)) plan.digests = read_digests(*second, plan.files.size());
  return plan;
}

std::string plan_path(std::uint64_t number) { return "staging/sealing/" + std::to_string(number) + ".plan"; }

std::string held_path(std::uint64_t number, std::size_t index) {
  return "staging/sealing/" + std::to_string(number) + "-" + std::to_string(index);
}

}  // namespace impound::evidence
