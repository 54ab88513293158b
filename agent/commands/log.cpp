// impound log: the custody log, one entry a line; --json gives each entry byte for byte as it was logged.
#include <poll.h>

#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/interrupt.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::ReadEntry;

namespace {

constexpr int follow_every_ms = 500;

struct LogOptions {
  bool json = false;
  bool follow = false;
  std::string kind;
  std::string case_name;
  std::string since;
};

/// The few words of a body that tell an operator what happened.
std::string gist(ReadEntry const& entry) {
  Json const& body = entry.body();
  std::string said;
  auto const add = [&](char const* label, std::optional<std::string> const& text) {
    if (text) said += (said.empty() ? "" : "  ") + std::string(label) + shown(*text, 80);
  };
  for (char const* key : {"state", "outcome", "reason", "role", "what", "command", "source", "url", "title", "author"})
    add("", text_field(body, key));
  add("v1 ", text_field(body, "info_hash_v1"));
  if (!text_field(body, "info_hash_v1")) add("v2 ", text_field(body, "info_hash_v2"));
  if (auto const origin = body.find("origin"); origin != body.end() && origin->is_object())
    add("", text_field(*origin, "path"));
  if (auto const size = count_field(body, "size")) add("", bytes_text(*size));
  if (auto const sha256 = text_field(body, "sha256")) add("sha256 ", sha256->substr(0, 16));
  if (auto const total = count_field(body, "total")) add("references ", std::to_string(*total));
  if (auto const up = count_field(body, "uploaded_payload_bytes")) add("uploaded ", std::to_string(*up));
  return said;
}

void print(ReadEntry const& entry, std::string_view bytes, bool json) {
  if (json) {
    std::printf("{\"index\":%llu,\"entry\":", static_cast<unsigned long long>(entry.index));
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fputs("}\n", stdout);
    return;
  }
  std::printf("%6llu  %s  %-22s %s\n", static_cast<unsigned long long>(entry.index), entry.utc().substr(0, 19).c_str(),
              entry.kind().c_str(), gist(entry).c_str());
}

/// An index that the reading passed over: its bytes are gone, and which order says so stands in a later entry.
void print_erased(std::uint64_t index, bool json) {
  auto const number = static_cast<unsigned long long>(index);
  if (json)
    std::printf("{\"index\":%llu,\"erased\":true}\n", number);
  else
    std::printf("%6llu  %-19s  erased\n", number, "");
}

Result<void> log(LogOptions const& options, Invocation& invocation) {
  if (!options.kind.empty() && !evidence::known_kind(options.kind))
    return Error{
        Code::usage, "there is no kind of entry called " + options.kind, {}, "config/schema has one file a kind"};
  std::optional<std::int64_t> since;
  if (!options.since.empty()) {
    since = utc_us_from(options.since.size() == 10 ? options.since + "T00:00:00Z" : options.since);
    if (!since)
      return Error{Code::usage,
                   "--since " + options.since + " is no time",
                   {},
                   "Write it as 2017-05-05 or 2017-05-05T18:00:00Z"};
  }
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  std::uint64_t next = 0;
  for (;;) {
    IMPOUND_TRY(reading, VaultReading::open(settings));
    bool const all = options.kind.empty() && options.case_name.empty() && !since;
    std::uint64_t expected = next;
    auto const tell_erased = [&](std::uint64_t to) {
      for (; expected < to; ++expected)
        if (all) print_erased(expected, options.json);
    };
    IMPOUND_CHECK(reading.each(next, [&](ReadEntry const& entry, std::string_view bytes) -> Result<void> {
      tell_erased(entry.index);
      expected = entry.index + 1;
      if (!options.kind.empty() && entry.kind() != options.kind) return ok();
      if (!options.case_name.empty() && (!entry.case_name() || entry.case_name()->text() != options.case_name))
        return ok();
      if (since && utc_us_from(entry.utc()).value_or(0) < *since) return ok();
      print(entry, bytes, options.json);
      return ok();
    }));
    next = reading.log->checkpoint().size;
    tell_erased(next);
    if (!options.follow) return ok();
    std::fflush(stdout);
    pollfd waiting{invocation.interrupt.descriptor(), POLLIN, 0};
    if (::poll(&waiting, 1, follow_every_ms) != 0) return ok();
  }
}

}  // namespace

void add_log(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<LogOptions>();
  CommandLine command = program.command("log", "prints the custody log", [options, &invocation] {
    invocation.chosen = [options, &invocation] {
      if (auto done = log(*options, invocation); !done) return tell(done.error());
      return ExitCode::done;
    };
  });
  command.flag("--json", options->json,
               "one object a line: {\"index\", \"entry\"}, the entry byte for byte as logged; {\"index\", \"erased\": "
               "true} for one "
               "whose bytes are gone");
  command.flag("--follow", options->follow, "goes on with what is logged later, until Ctrl-C");
  command.option("--kind", options->kind, "only entries of this kind, e.g. exhibit.sealed");
  command.option("--case", options->case_name, "only entries made under this case");
  command.option("--since", options->since, "only entries made at or after this UTC time");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
