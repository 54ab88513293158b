// Wires the program together, nothing else: clock, randomness and signals come from here, each command from its own
// file.
#include <curl/curl.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/interrupt.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"

using namespace impound;
using namespace impound::agent;

namespace {

/// The key is in this process's memory: no core dump, no other process of this uid may look into it.
void keep_to_ourselves() {
  ::prctl(PR_SET_DUMPABLE, 0);
  rlimit const none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::umask(077);
  // Sealing keeps a file open for each of a batch while it holds their leases.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max && files.rlim_cur < 8192) {
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

/// One line an event for the operator, key=value, on stderr; what a person reads is the commands' own.
void start_logging(std::string const& level) {
  auto log = std::make_shared<spdlog::logger>("impound", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  log->set_level(spdlog::level::from_str(level));
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(log));
}

}  // namespace

int main(int argc, char** argv) {
  keep_to_ourselves();
  Interrupt interrupt;
  SystemClock clock;
  SystemRandomness randomness;
  ::curl_global_init(CURL_GLOBAL_DEFAULT);

  ProgramLine program;
  Invocation invocation{clock, randomness, interrupt};
  for (auto* add : {add_init, add_fetch, add_watch, add_extract, add_status, add_log, add_show, add_note, add_export,
                    add_verify, add_import, add_checkout, add_key, add_case, add_timestamp, add_jobs, add_reindex})
    add(program, invocation);
  ProgramLine::Parsed const line = program.parse(argc, argv);
  if (!line.run) {
    if (line.exit != 0) tell(Error{Code::usage, line.wrong, {}, "Run: " + line.asked + " --help"});
    return line.exit;
  }
  start_logging(invocation.common.log_level);
  ExitCode const code = invocation.chosen();
  // A full pipe or disk behind stdout must not look like success.
  if (std::fflush(stdout) != 0) return static_cast<int>(ExitCode::failed);
  return static_cast<int>(code);
}
