// erase_for_tests VAULT [--die-once-ordered] [--exhibit INDEX]… [--entry INDEX]…: an erasure by the library, in a
// session as commands have it, until the program has a command of its own. Ends with 0, or with 1 and the reason on
// stderr.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/settings/options.h"
#include "agent/work/session.h"
#include "evidence/erasure.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"

using namespace impound;

namespace {

Result<void> run(std::string const& vault, evidence::ErasureOrder order, bool die) {
  SystemClock clock;
  SystemRandomness randomness;
  agent::CommonOptions common;
  common.vault = vault;
  IMPOUND_TRY(settings, agent::effective_settings(common));
  IMPOUND_TRY(session, agent::Session::open(settings, "erase", clock, randomness));
  order.by = agent::who(settings);
  IMPOUND_CHECK(session->recorder().publish());
  evidence::ErasureLog const log{
      [&] { return evidence::LogReader::open(session->disk(), session->vault().identity().vkey); },
      [&](std::vector<evidence::EntryDraft> drafts) -> Result<void> {
        IMPOUND_CHECK(session->recorder().record(std::move(drafts)));
        return ok();
      },
      [&]() -> Result<void> {
        IMPOUND_CHECK(session->recorder().publish());
        if (die) ::_exit(0);
        return ok();
      }};
  IMPOUND_TRY(done, evidence::erase(session->disk(), log, order));
  IMPOUND_CHECK(session->close("done"));
  if (!done.failed.empty()) return done.failed.front();
  std::printf("%zu objects, %zu WARC files, %zu entries\n", done.objects, done.files, done.entries);
  return ok();
}

}  // namespace

int main(int argc, char** argv) {
  evidence::ErasureOrder order{{}, {}, "Court of X, 17/2017", "contraband", {}};
  bool die = false;
  for (int i = 2; i < argc; ++i) {
    std::string const word = argv[i];
    if (word == "--die-once-ordered") die = true;
    if (word == "--exhibit" && i + 1 < argc) order.exhibits.push_back(std::strtoull(argv[++i], nullptr, 10));
    if (word == "--entry" && i + 1 < argc) order.entries.push_back(std::strtoull(argv[++i], nullptr, 10));
  }
  auto const done = run(argc > 1 ? argv[1] : "", std::move(order), die);
  if (!done) std::fprintf(stderr, "%s\n", line(done.error()).c_str());
  return done ? 0 : 1;
}
