#include "evidence/timestamps/stamping_history.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "evidence/formats/text_lines.h"
#include "evidence/torn.h"

namespace impound::evidence {

namespace {

constexpr std::size_t names_max = 10'000'000;

/// One folder's files that nothing vouches for: moved, or removed where an open attempt's own crash explains them.
class Sweeping {
 public:
  Sweeping(Disk& vault, StampingHistory const& history) : vault_(vault), history_(history) {}

  Result<void> folder(std::string const& place) {
    IMPOUND_TRY(names, vault_.list(place, names_max));
    bool changed = false;
    for (FolderEntry const& entry : names) {
      std::string const path = place + "/" + entry.name;
      // What is no plain file was not written here: verify names it.
      if (entry.type != FileFacts::Type::file || keeps(path)) continue;
      changed = true;
      if (explained(path)) {
        IMPOUND_CHECK(vault_.remove(path));
        continue;
      }
      IMPOUND_CHECK(make_folders(vault_, "staging/torn"));
      std::string name = path;
      std::replace(name.begin(), name.end(), '/', '-');
      IMPOUND_CHECK(set_aside(vault_, path, name));
      IMPOUND_CHECK(vault_.sync_folder("staging/torn"));
      moved_.push_back(path);
    }
    if (changed) IMPOUND_CHECK(vault_.sync_folder(place));
    return ok();
  }

  /// timestamps/<size>, and the folder itself when nothing is left in it.
  Result<void> stamped(std::string const& place) {
    IMPOUND_CHECK(folder(place));
    IMPOUND_TRY(left, vault_.list(place, names_max));
    if (!left.empty()) return ok();
    IMPOUND_CHECK(vault_.remove_folder(place));
    return vault_.sync_folder("timestamps");
  }

  std::vector<std::string> moved() { return std::move(moved_); }

 private:
  /// The .tsr is written last: chain and CRLs that an open attempt asked for stay only beside it.
  bool keeps(std::string const& path) {
    auto const authority = history_.open_token_of(path);
    if (!authority) return history_.vouches_for(path);
    return !path.ends_with(".tmp") && static_cast<bool>(vault_.facts_of(*authority));
  }
  bool explained(std::string const& path) const {
    return path.ends_with(".tmp") || history_.open_token_of(path).has_value();
  }

  Disk& vault_;
  StampingHistory const& history_;
  std::vector<std::string> moved_;
};

bool is_size(std::string_view name) { return decimal(name, UINT64_MAX).has_value(); }

}  // namespace

void StampingHistory::take(ReadEntry const& entry) {
  if (entry.kind() == "timestamp.attempt") {
    auto attempt = attempt_from_json(entry.body());
    if (!attempt) return;
    named_.insert(attempt.value().checkpoint.file);
    open_.insert_or_assign(entry.id(), std::move(attempt).value());
    return;
  }
  if (entry.kind() != "timestamp.result" || !entry.of()) return;
  open_.erase(*entry.of());
  auto const result = result_from_json(entry.body());
  if (!result) return;
  for (KeptToken const& token : result.value().tokens) {
    named_.insert(token.reply.file);
    named_.insert(token.chain.file);
    for (KeptFile const& crl : token.crls) named_.insert(crl.file);
  }
  if (result.value().state == StampingState::superseded || result.value().tokens.empty()) return;
  if (anchored_ && anchored_->size >= result.value().size) return;
  AnchoredBy by{result.value().size, result.value().tokens.size(), result.value().tokens.front().gen_time_us};
  for (KeptToken const& token : result.value().tokens) by.gen_time_us = std::min(by.gen_time_us, token.gen_time_us);
  anchored_ = by;
}

bool StampingHistory::vouches_for(std::string const& path) const {
  return named_.contains(path) || open_token_of(path).has_value();
}

std::optional<std::string> StampingHistory::open_token_of(std::string_view path) const {
  for (auto const& [id, attempt] : open_)
    for (AskedAuthority const& authority : attempt.authorities)
      if (path.starts_with(timestamp_folder(attempt.size) + "/") &&
          is_file_of(path.substr(path.rfind('/') + 1), authority.name))
        return token_file(attempt.size, authority.name);
  return std::nullopt;
}

Result<std::vector<std::string>> set_aside_unnamed_timestamps(Disk& vault, StampingHistory const& history) {
  Sweeping sweeping(vault, history);
  auto const absent = [](Error const& error) { return error.code == Code::not_found; };
  if (auto done = sweeping.folder("log/checkpoints"); !done && !absent(done.error())) return std::move(done).error();
  auto folders = vault.list("timestamps", names_max);
  if (!folders && absent(folders.error())) return sweeping.moved();
  if (!folders) return std::move(folders).error();
  for (FolderEntry const& entry : folders.value())
    if (entry.type == FileFacts::Type::folder && is_size(entry.name))
      IMPOUND_CHECK(sweeping.stamped("timestamps/" + entry.name));
  return sweeping.moved();
}

}  // namespace impound::evidence
