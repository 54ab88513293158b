// impound watch: every source of the settings, for as long as it runs.
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/work/addresses.h"
#include "agent/work/watcher.h"

namespace impound::agent {

namespace {

struct WatchOptions {
  bool once = false;
  std::string duration;
  std::string accept_rollback;
};

Result<ExitCode> watch(WatchOptions const& options, Invocation& invocation) {
  std::optional<std::chrono::seconds> until;
  if (!options.duration.empty()) {
    IMPOUND_TRY(duration, duration_option("--for", options.duration));
    until = duration;
  }
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(policy, address_policy(settings.allow_net));
  IMPOUND_TRY(authorities, timestamp_authorities(settings.timestamps));
  IMPOUND_TRY(routes, Routes::of(settings));
  if (settings.sources.empty())
    return Error{Code::usage, "no source is set", settings.file.empty() ? "no settings' file was found" : settings.file,
                 "Add a [[source]], as config/impound.toml shows"};
  std::vector<WatchedSource> sources;
  for (SourceSettings const& source : settings.sources) {
    IMPOUND_TRY(watched, watched_source(source));
    sources.push_back(std::move(watched));
    if (source.acquire != Pick::none)
      IMPOUND_CHECK(check_torrents_allowed(routes.at(source.route), "acquire of source \"" + source.name + "\""));
  }
  auto session = Session::open(settings, "watch", invocation.clock, invocation.randomness, options.accept_rollback);
  if (!session) return with_init_hint(std::move(session).error(), settings);
  Terminal terminal{invocation.common.quiet};
  for (std::string const& remark : session.value()->remarks()) terminal.say(remark);
  for (WatchedSource const& source : sources)
    if (source.settings.acquire == Pick::matched)
      terminal.say(source.settings.name +
                   ": acquire is \"matched\" and there is no watch-list: nothing will be acquired. Set acquire = "
                   "\"all\" to acquire what is found");
  auto const state = state_folder(session.value()->vault().identity());
  WatchTally tally;
  auto const run = [&]() -> Result<void> {
    IMPOUND_TRY(socket, ControlSocket::listen(state, "watch", invocation.interrupt.descriptor()));
    IMPOUND_TRY(captures, CaptureGroup::make(*session.value(), settings, routes, policy,
                                             [&invocation] { return invocation.interrupt.asked(); }));
    Anchoring anchoring{*session.value(), settings, std::move(authorities), policy, routes};
    Watcher watcher{sources,   *session.value(),     settings, policy, routes, *captures,
                    anchoring, invocation.interrupt, terminal, *socket};
    IMPOUND_CHECK(watcher.run(options.once, until));
    tally = watcher.tally();
    if (tally.acquisitions > 0 && anchoring.configured())
      terminal.say(text(anchoring.wait(invocation.interrupt.asked() ? std::chrono::seconds{0} : timestamp_wait,
                                       invocation.interrupt.descriptor())));
    return ok();
  };
  if (auto const done = run(); !done) {
    (void)session.value()->close("error");
    return done.error();
  }
  IMPOUND_CHECK(session.value()->close(invocation.interrupt.asked() ? "signal" : "done"));
  auto const number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("polls %llu (%llu failed), captured %llu, acquisitions %llu (%llu not complete)", number(tally.polls),
              number(tally.polls_failed), number(tally.captured), number(tally.acquisitions),
              number(tally.acquisitions_failed));
  if (tally.acquisitions_waiting > 0) std::printf(", %llu waiting", number(tally.acquisitions_waiting));
  std::printf("\n");
  // A service that runs for months is not a failure because of one bad poll; --once is asked for a result, and what
  // still waits is none yet.
  bool const not_whole = options.once && !invocation.interrupt.asked() &&
                         (tally.polls_failed + tally.acquisitions_failed + tally.acquisitions_waiting > 0);
  return not_whole ? ExitCode::failed : ExitCode::done;
}

}  // namespace

void add_watch(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<WatchOptions>();
  CommandLine command = program.command("watch", "watches the sources of the settings and acquires what they name",
                                        [options, &invocation] {
                                          invocation.chosen = [options, &invocation] {
                                            auto const code = watch(*options, invocation);
                                            return code ? code.value() : tell(code.error());
                                          };
                                        });
  command.flag("--once", options->once, "polls every source once, works off what follows, and ends");
  command.option("--for", options->duration, "ends after this long, e.g. 6h");
  command.option("--accept-rollback", options->accept_rollback,
                 "REASON to go on although the vault is behind its memory; logged");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
