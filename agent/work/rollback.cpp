#include "agent/work/rollback.h"

#include <algorithm>

#include "evidence/checkpoint.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/hex.h"
#include "evidence/last_checkpoint.h"
#include "evidence/verify/verdict.h"

namespace impound::agent {

namespace {

constexpr std::uint64_t file_bytes_max = 1024 * 1024;
constexpr std::size_t notes_max = 8;  // in the entry, each of at most
constexpr std::size_t note_bytes_logged_max = 4'000;
constexpr std::size_t reason_bytes_max = 500;

Error not_ours(std::string_view what) {
  return Error{Code::damaged, "the record of an accepted rollback cannot be read: " + std::string(what),
               std::string(accepted_rollback_path),
               "It is in the state folder; keep a copy of it, then take it away, and tell of it with impound note"};
}

void add(std::vector<GivenUp>& given_up, std::string where, std::string note) {
  bool const there =
      std::any_of(given_up.begin(), given_up.end(), [&note](GivenUp const& one) { return one.note == note; });
  if (!there) given_up.push_back({std::move(where), std::move(note)});
}

}  // namespace

Result<AcceptedRollback> what_is_given_up(Disk& state, evidence::CheckpointCopies* copies, std::string reason) {
  AcceptedRollback accepted{std::move(reason), {}};
  IMPOUND_TRY(last, evidence::last_checkpoint_bytes(state));
  if (last) add(accepted.given_up, "state", std::move(*last));
  if (copies == nullptr) return accepted;
  for (evidence::CheckpointCopies::Copy& copy : copies->read())
    add(accepted.given_up, std::move(copy.path), std::move(copy.bytes));
  return accepted;
}

Result<void> keep_accepted(Disk& state, AcceptedRollback const& accepted) {
  Json given_up = Json::array();
  for (GivenUp const& one : accepted.given_up)
    given_up.push_back({{"where", base64(bytes_of(one.where))}, {"note", base64(bytes_of(one.note))}});
  Json const kept{{"reason", base64(bytes_of(accepted.reason))}, {"given_up", std::move(given_up)}};
  return write_whole(state, accepted_rollback_path, bytes_of(kept.dump(1) + "\n"), Replace::yes);
}

Result<std::optional<AcceptedRollback>> read_accepted(Disk& state) {
  auto const text = read_whole(state, accepted_rollback_path, file_bytes_max);
  if (!text && text.error().code == Code::not_found) return std::optional<AcceptedRollback>{};
  if (!text) return text.error();
  Json const kept = Json::parse(text.value(), nullptr, false);
  auto const bytes_in = [](Json const& from, char const* key) -> std::optional<std::string> {
    auto const found = from.is_object() ? from.find(key) : from.end();
    if (!from.is_object() || found == from.end() || !found->is_string()) return std::nullopt;
    auto const bytes = from_base64(found->get<std::string>());
    if (!bytes) return std::nullopt;
    return std::string(reinterpret_cast<char const*>(bytes->data()), bytes->size());
  };
  AcceptedRollback accepted;
  auto reason = bytes_in(kept, "reason");
  if (!reason || !kept.contains("given_up") || !kept["given_up"].is_array()) return not_ours("its form is another");
  accepted.reason = std::move(*reason);
  for (Json const& one : kept["given_up"]) {
    auto where = bytes_in(one, "where");
    auto note = bytes_in(one, "note");
    if (!where || !note) return not_ours("its form is another");
    accepted.given_up.push_back({std::move(*where), std::move(*note)});
  }
  return std::optional{std::move(accepted)};
}

Result<void> forget_accepted(Disk& state) {
  auto const gone = state.remove(accepted_rollback_path);
  if (!gone && gone.error().code != Code::not_found) return gone.error();
  return state.sync_folder("");
}

Json rollback_body(AcceptedRollback const& accepted, std::uint64_t size) {
  Json body{{"reason", evidence::printable(accepted.reason.substr(0, reason_bytes_max))}, {"size", json_number(size)}};
  Json given_up = Json::array();
  for (GivenUp const& one : accepted.given_up) {
    if (given_up.size() == notes_max) break;
    Json told{{"where", evidence::printable(one.where.substr(0, reason_bytes_max))},
              {"note", base64(bytes_of(std::string_view(one.note).substr(0, note_bytes_logged_max)))}};
    auto const note = parse_note(one.note);
    auto const said =
        note ? evidence::checkpoint_from_text(note.value().text) : Result<evidence::Checkpoint>(note.error());
    if (said) {
      told["size"] = json_number(said.value().size);
      told["root"] = hex(said.value().root);
    }
    given_up.push_back(std::move(told));
  }
  if (!given_up.empty()) body["given_up"] = std::move(given_up);
  return body;
}

}  // namespace impound::agent
