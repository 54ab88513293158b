// A vault opened by a command that only reads: no lock, the newest checkpoint taken once, never looked past its size.
//
// What it is asked is answered by way of the index (agent/index), which is brought up to that checkpoint first. It lies
// in STATE; where that cannot be written it is made in memory, for this command. One that is damaged is set aside, with
// a line in the operator's log, and made anew.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "agent/index/index.h"
#include "agent/settings/settings.h"
#include "evidence/custody_entry.h"
#include "evidence/log_reader.h"
#include "evidence/vault.h"

namespace impound::agent {

/// An entry as it was read, and as it was logged.
struct LoggedEntry {
  evidence::ReadEntry entry;
  std::string bytes;
};

struct VaultReading {
  std::unique_ptr<evidence::Vault> vault;
  std::unique_ptr<evidence::LogReader> log;
  std::unique_ptr<LinuxDisk> state{};       // the folder, where there is one
  std::unique_ptr<index::Index> indexed{};  // once something was asked

  /// Code::usage with the `init` line when there is no vault.
  static Result<VaultReading> open(Settings const& settings);
  /// Every entry from `from` on, in order, as it was logged (`bytes`) and read.
  Result<void> each(std::uint64_t from,
                    std::function<Result<void>(evidence::ReadEntry const& entry, std::string_view bytes)> const& take);
  /// The entries at these places, in order; those that are erased are left out.
  Result<void> each_of(
      index::Places const& places,
      std::function<Result<void>(evidence::ReadEntry const& entry, std::string_view bytes)> const& take);
  Result<std::optional<LoggedEntry>> find(EntryId const& id);
  /// What `question` gives for the index, as of the checkpoint. The first question may take a newer checkpoint.
  template <class Question>
  auto ask(Question&& question) -> decltype(question(std::declval<index::Index&>())) {
    for (bool again = false;; again = true) {
      IMPOUND_CHECK(open_index());
      auto answer = question(*indexed);
      if (answer || again || !set_aside_if_damaged(answer.error())) return answer;
    }
  }

 private:
  Result<void> open_index();
  Result<void> open_index_in(bool memory);
  bool set_aside_if_damaged(Error const& error);
};

}  // namespace impound::agent
