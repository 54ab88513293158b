// impound reindex: throws the index away and makes it anew from the log, which has all that was in it.
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"

namespace impound::agent {

namespace {

Result<void> run(bool json, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(reading, VaultReading::open(settings));
  std::string const folder = state_folder(reading.vault->identity());
  IMPOUND_CHECK(make_process_folder(folder));
  IMPOUND_TRY(state, LinuxDisk::open_at(folder));
  IMPOUND_CHECK(index::Database::remove(*state));
  IMPOUND_TRY(rows, reading.ask([](index::Index& index) { return index.rows(); }));
  if (!reading.indexed->database().on_disk())
    return Error{Code::read_only, "the index cannot be written", folder, "Every command makes its own in memory"};
  if (json) {
    print_json({{"entries", rows.entries},
                {"exhibits", rows.exhibits},
                {"captures", rows.captures},
                {"acquisitions", rows.acquisitions},
                {"items", rows.items},
                {"jobs", rows.jobs},
                {"jobs_open", rows.open_jobs}});
    return ok();
  }
  auto const number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "indexed  %llu entries: %llu exhibits, %llu captures, %llu acquisitions, %llu items of sources\n"
      "jobs     %llu, of which %llu are open\n",
      number(rows.entries), number(rows.exhibits), number(rows.captures), number(rows.acquisitions), number(rows.items),
      number(rows.jobs), number(rows.open_jobs));
  return ok();
}

}  // namespace

void add_reindex(ProgramLine& program, Invocation& invocation) {
  auto const json = std::make_shared<bool>(false);
  CommandLine command =
      program.command("reindex", "throws the index away and makes it anew from the log", [json, &invocation] {
        invocation.chosen = [json, &invocation] {
          if (auto done = run(*json, invocation); !done) return tell(done.error());
          return ExitCode::done;
        };
      });
  command.flag("--json", *json, "one object: entries, exhibits, captures, acquisitions, items, jobs, jobs_open");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
