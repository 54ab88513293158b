// impound timestamp: has the log's newest checkpoint stamped now.
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/addresses.h"
#include "agent/work/anchoring.h"
#include "agent/work/holder.h"
#include "agent/work/interrupt.h"

namespace impound::agent {

namespace {

// Longer than the minute that an authority is left alone after it was asked.
constexpr std::chrono::seconds wait_for_it{90};

Result<ExitCode> timestamp(Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(policy, address_policy(settings.allow_net));
  IMPOUND_TRY(authorities, timestamp_authorities(settings.timestamps));
  IMPOUND_TRY(routes, Routes::of(settings));
  if (authorities.empty())
    return Error{Code::usage, "no time-stamping authority is set",
                 settings.file.empty() ? "no settings' file was found" : settings.file,
                 "Add two or more [[timestamps.authority]], as config/impound.toml shows"};
  auto session = Session::open(settings, "timestamp", invocation.clock, invocation.randomness);
  if (!session && session.error().code == Code::held) {
    Ordering const ordering{"timestamp", invocation.common.quiet, false, invocation.interrupt.descriptor()};
    IMPOUND_TRY(exit, hand_over(settings, ordering, {TimestampOrder{}}, session.error()));
    return static_cast<ExitCode>(exit);
  }
  if (!session) return with_init_hint(std::move(session).error(), settings);
  Terminal terminal{invocation.common.quiet};
  for (std::string const& remark : session.value()->remarks()) terminal.say(remark);
  Anchoring::Standing standing;
  {
    Anchoring anchoring{*session.value(), settings, std::move(authorities), policy, routes};
    anchoring.want(true);
    standing = anchoring.wait(wait_for_it, invocation.interrupt.descriptor());
  }
  IMPOUND_CHECK(session.value()->close(invocation.interrupt.asked() ? "signal" : "done"));
  std::printf("%s\n", text(standing).c_str());
  if (!standing.anchored && invocation.interrupt.asked()) return ExitCode::interrupted;
  return standing.anchored ? ExitCode::done : ExitCode::failed;
}

}  // namespace

void add_timestamp(ProgramLine& program, Invocation& invocation) {
  CommandLine command = program.command(
      "timestamp", "has the log's newest checkpoint stamped by the authorities of the settings, now", [&invocation] {
        invocation.chosen = [&invocation] {
          auto const code = timestamp(invocation);
          return code ? code.value() : tell(code.error());
        };
      });
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
