// impound jobs: what is under way or waits for its next try; what an operator ends is an entry, for good.
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/index/queue.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/acquisition.h"
#include "agent/work/addresses.h"
#include "agent/work/anchoring.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::EntryDraft;
using index::Job;
using index::Queue;

namespace {

constexpr std::size_t why_bytes_max = 2'000;

struct JobsCommand {
  std::string id;
  std::string why;
  bool all = false;
  bool json = false;
};

Json to_json(Job const& job) {
  Json one{
      {"id", job.id}, {"kind", job.kind}, {"state", job.state}, {"subject", job.subject}, {"attempts", job.attempts}};
  if (!job.route.empty()) one["route"] = job.route;
  if (!job.cause.empty()) one["cause"] = job.cause;
  if (!job.case_name.empty()) one["case"] = job.case_name;
  if (job.open() && job.not_before_us > 0) one["not_before_utc"] = utc_text(job.not_before_us);
  if (!job.owner.empty()) {
    one["owner"] = job.owner;
    one["leased_until_utc"] = utc_text(job.leased_until_us);
  }
  return one;
}

/// What it is about, in a line.
std::string subject_text(Job const& job) {
  for (char const* const key : {"info_hash_v1", "info_hash_v2"})
    if (auto const hash = text_field(job.subject, key)) return *hash;
  return text_field(job.subject, "source").value_or("?") + " " + text_field(job.subject, "key").value_or("?");
}

Result<ExitCode> list(JobsCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(jobs, reading.ask([&](index::Index& index) { return Queue{index.database()}.list(asked.all); }));
  for (Job const& job : jobs) {
    if (asked.json) {
      print_json(to_json(job));
      continue;
    }
    std::string const next =
        job.open() && job.not_before_us > 0
            ? ", " + std::to_string(job.attempts) + " time(s) in vain, tried again at " + utc_text(job.not_before_us)
            : "";
    std::printf("%s  %-11s  %-9s  %s%s\n", job.id.c_str(), job.kind.c_str(), job.state.c_str(),
                shown(subject_text(job), 120).c_str(), next.c_str());
  }
  return ExitCode::done;
}

/// The job, if it is open: judged before anything is written, and again under the vault's lock.
Result<Job> open_job(EntryId const& id, Settings const& settings) {
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(job, reading.ask([&](index::Index& index) { return Queue{index.database()}.find(id); }));
  if (!job)
    return Error{Code::not_found, "there is no such job", id.text(), "`impound jobs list` names those that are open"};
  if (!job->open()) return Error{Code::refused, "the job is " + job->state + " already", id.text(), {}};
  return std::move(*job);
}

Result<EntryId> job_id(std::string const& text) {
  auto const id = EntryId::parse(text);
  if (!id)
    return Error{Code::usage, "no id of a job", text.substr(0, 120), "`impound jobs list` names those that are open"};
  return *id;
}

/// An acquisition gets its result in the same breath; what a source listed is not asked for again.
Result<void> end(Job const& job, EntryId const& id, std::string const& why, Settings const& settings,
                 Session& session) {
  auto case_name = CaseName::parse(job.case_name);
  EntryDraft closed{"job.closed",
                    {{"what", index::job_cancelled}, {"job", job.kind}, {"why", why}},
                    case_name,
                    id,
                    {},
                    who(settings),
                    {}};
  if (job.kind != index::job_acquisition) {
    IMPOUND_CHECK(session.recorder().record(std::move(closed)));
    return ok();
  }
  IMPOUND_TRY(policy, address_policy(settings.allow_net));
  IMPOUND_TRY(routes, Routes::of(settings));
  Terminal terminal{true};
  Acquisitions acquisitions{session, settings, policy, routes, terminal};
  IMPOUND_CHECK(acquisitions.cancel(id, std::move(closed)));
  return ok();
}

Result<ExitCode> cancel(JobsCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(id, job_id(asked.id));
  if (asked.why.empty() || asked.why.size() > why_bytes_max || !is_utf8(asked.why))
    return Error{Code::usage, "--why takes text in UTF-8 of 1 to 2,000 bytes", asked.why.substr(0, 80), {}};
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_CHECK(open_job(id, settings));
  IMPOUND_TRY(session, Session::open(settings, "jobs", invocation.clock, invocation.randomness));
  auto const job = open_job(id, settings);
  Result<void> const done = job ? end(job.value(), id, asked.why, settings, *session) : Result<void>{job.error()};
  auto const closed = session->close(done ? "done" : "error");
  if (!done) return done.error();
  IMPOUND_CHECK(closed);
  say_if_due(*session, settings.timestamps, invocation.common.quiet);
  std::printf("cancelled  %s  %s %s\n", id.text().c_str(), job.value().kind.c_str(),
              shown(subject_text(job.value()), 120).c_str());
  return ExitCode::done;
}

/// Not an entry: nothing is decided, the next try only comes sooner.
Result<ExitCode> retry(JobsCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(id, job_id(asked.id));
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_CHECK(open_job(id, settings));
  IMPOUND_TRY(session, Session::open(settings, "jobs", invocation.clock, invocation.randomness));
  auto const change = [&]() -> Result<void> {
    IMPOUND_TRY(state, LinuxDisk::open_at(state_folder(session->vault().identity())));
    IMPOUND_TRY(database, index::Database::open(*state));
    return Queue{*database}.retry(id);
  };
  Result<void> const done = change();
  auto const closed = session->close(done ? "done" : "error");
  if (!done) return done.error();
  IMPOUND_CHECK(closed);
  std::printf("next try  %s  with the next `impound watch`\n", id.text().c_str());
  return ExitCode::done;
}

using Run = Result<ExitCode> (*)(JobsCommand const&, Invocation&);

CommandLine add(ProgramLine& program, Invocation& invocation, std::shared_ptr<JobsCommand> const& asked,
                std::string const& name, std::string const& help, Run run) {
  return program.command("jobs", name, help, [asked, run, &invocation] {
    invocation.chosen = [asked, run, &invocation] {
      auto const code = run(*asked, invocation);
      return code ? code.value() : tell(code.error());
    };
  });
}

}  // namespace

void add_jobs(ProgramLine& program, Invocation& invocation) {
  auto const asked = std::make_shared<JobsCommand>();
  program.group("jobs", "what is under way or waits for its next try");
  CommandLine listed =
      add(program, invocation, asked, "list", "acquisitions, references and items that are open", list);
  listed.flag("--all", asked->all, "those that ended, too");
  listed.flag("--json", asked->json,
              "one object a line: id, kind (acquisition, references, item), state (waiting, leased, done, dead, "
              "cancelled), subject, attempts, route?, cause?, case?, not_before_utc?, owner?, leased_until_utc?");
  CommandLine again = add(program, invocation, asked, "retry", "the next try comes with the next run", retry);
  CommandLine ended = add(program, invocation, asked, "cancel", "ends a job for good, by an entry of the log", cancel);
  for (CommandLine* command : {&again, &ended})
    command->option("ID", asked->id, "id of the job, as `jobs list` prints it", CommandLine::Need::required);
  ended.option("--why", asked->why, "the reason, for the log", CommandLine::Need::required);
  for (CommandLine* command : {&listed, &again, &ended}) add_common_options(*command, invocation.common);
}

}  // namespace impound::agent
