#include "agent/index/queue.h"

#include <algorithm>
#include <span>

#include "agent/index/sql.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"
#include "evidence/values/growing_gap.h"

namespace impound::index {

using soci::into;
using soci::use;

namespace {

constexpr int lease_tries_max = 100;  // others were faster

/// The jobs that `rest` of the statement gives; `uses` are its values, which live until this returns.
template <class... Uses>
std::vector<Job> jobs_where(soci::session& sql, std::string const& rest, Uses... uses) {
  Job job;
  std::string subject;
  int priority = 0;
  long long leased_until = 0, attempts = 0, not_before = 0;
  soci::details::prepare_temp_type prepared =
      sql.prepare << "SELECT id, kind, subject, route, cause, case_name, priority, state, owner, leased_until_us, "
                     "attempts, not_before_us FROM jobs " +
                         rest;
  prepared, into(job.id), into(job.kind), into(subject), into(job.route), into(job.cause), into(job.case_name),
      into(priority), into(job.state), into(job.owner), into(leased_until), into(attempts), into(not_before);
  ((prepared, uses), ...);
  soci::statement statement = prepared;
  std::vector<Job> jobs;
  each_row(statement, [&] {
    job.subject = Json::parse(subject, nullptr, false);
    if (!job.subject.is_object()) job.subject = Json::object();
    job.priority = priority;
    job.leased_until_us = leased_until;
    job.attempts = static_cast<std::uint64_t>(std::max(0LL, attempts));
    job.not_before_us = not_before;
    jobs.push_back(job);
  });
  return jobs;
}

std::optional<Job> job_named(soci::session& sql, std::string const& id) {
  auto jobs = jobs_where(sql, "WHERE id = :id", use(id));
  return jobs.empty() ? std::nullopt : std::optional{std::move(jobs.front())};
}

long long changed_rows(soci::statement& statement) {
  statement.execute(true);
  return statement.get_affected_rows();
}

Error no_such_job(std::string const& id) {
  return {Code::not_found, "there is no such job", id, "impound jobs list names those that are open"};
}

/// Why a change of a job found no row.
Error not_changed(soci::session& sql, std::string const& id) {
  auto const job = job_named(sql, id);
  if (!job) return no_such_job(id);
  return {Code::refused, "the job is " + (job->owner.empty() ? job->state : job->state + " by " + job->owner), id, {}};
}

}  // namespace

std::int64_t backoff_us(BackoffLimits const& limits, unsigned attempts, std::optional<std::uint32_t> dice) {
  std::int64_t const gap = grown_gap(limits.first_gap_us, attempts, limits.gap_us_max);
  if (!dice) return gap;
  std::int64_t const tenth = gap / 10;
  return gap - tenth + static_cast<std::int64_t>(*dice) % (2 * tenth + 1);
}

Result<std::vector<Job>> Queue::list(bool all) {
  return guarded(*database_, [&]() -> Result<std::vector<Job>> {
    std::string const open = "WHERE state IN ('waiting', 'leased', 'dead') ";
    return jobs_where(database_->sql(), (all ? "" : open) + "ORDER BY log_index");
  });
}

Result<std::optional<Job>> Queue::find(EntryId const& id) {
  return guarded(*database_, [&]() -> Result<std::optional<Job>> { return job_named(database_->sql(), id.text()); });
}

Result<std::optional<Job>> WorkQueue::lease(std::string const& owner, std::int64_t lease_us, std::string_view kind) {
  return guarded(*database_, [&]() -> Result<std::optional<Job>> {
    soci::session& sql = database_->sql();
    std::string const wanted{kind};
    long long const now = clock_->utc_us();
    long long const until = now + lease_us;
    std::string const due =
        "((state = 'waiting' AND not_before_us <= :now) OR (state = 'leased' AND leased_until_us <= :now2)) ";
    for (int i = 0; i < lease_tries_max; ++i) {
      auto const next =
          wanted.empty()
              ? jobs_where(sql, "WHERE " + due + "ORDER BY priority DESC, not_before_us, log_index LIMIT 1",
                           use(now, "now"), use(now, "now2"))
              : jobs_where(sql,
                           "WHERE " + due + "AND kind = :kind ORDER BY priority DESC, not_before_us, log_index LIMIT 1",
                           use(now, "now"), use(now, "now2"), use(wanted, "kind"));
      if (next.empty()) return std::optional<Job>{};
      std::string const& id = next.front().id;
      soci::statement take =
          (sql.prepare
               << "UPDATE jobs SET state = 'leased', owner = :owner, leased_until_us = :until WHERE id = :id AND " +
                      due,
           use(owner, "owner"), use(until, "until"), use(id, "id"), use(now, "now"), use(now, "now2"));
      if (changed_rows(take) == 1) return job_named(sql, id);
    }
    return std::optional<Job>{};
  });
}

Result<void> WorkQueue::complete(EntryId const& id, std::string const& owner) {
  return guarded(*database_, [&]() -> Result<void> {
    soci::session& sql = database_->sql();
    soci::statement done = (sql.prepare << "UPDATE jobs SET state = 'done', owner = '', leased_until_us = 0 "
                                           "WHERE id = :id AND state = 'leased' AND owner = :owner",
                            use(id.text(), "id"), use(owner, "owner"));
    if (changed_rows(done) != 1) return not_changed(sql, id.text());
    return ok();
  });
}

Result<Job> WorkQueue::fail(EntryId const& id, std::string const& owner) {
  return guarded(*database_, [&]() -> Result<Job> {
    soci::session& sql = database_->sql();
    Transaction change{*database_, Transaction::For::writing};
    auto job = job_named(sql, id.text());
    if (!job || job->state != "leased" || job->owner != owner) return not_changed(sql, id.text());
    std::uint32_t dice = 0;
    randomness_->fill(std::as_writable_bytes(std::span{&dice, 1}));
    long long const gap = backoff_us(limits_, static_cast<unsigned>(std::min<std::uint64_t>(job->attempts, 64)), dice);
    long long const next = clock_->utc_us() + gap;
    bool const dead = limits_.attempts_max && job->attempts + 1 >= *limits_.attempts_max;
    std::string const state = dead ? "dead" : "waiting";
    sql << "UPDATE jobs SET state = :state, owner = '', leased_until_us = 0, attempts = attempts + 1, "
           "not_before_us = :next WHERE id = :id",
        use(state), use(next), use(id.text());
    job = job_named(sql, id.text());
    change.commit();
    return std::move(*job);
  });
}

Result<void> WorkQueue::extend(EntryId const& id, std::string const& owner, std::int64_t lease_us) {
  return guarded(*database_, [&]() -> Result<void> {
    soci::session& sql = database_->sql();
    long long const until = clock_->utc_us() + lease_us;
    soci::statement extended = (sql.prepare << "UPDATE jobs SET leased_until_us = :until "
                                               "WHERE id = :id AND state = 'leased' AND owner = :owner",
                                use(until, "until"), use(id.text(), "id"), use(owner, "owner"));
    if (changed_rows(extended) != 1) return not_changed(sql, id.text());
    return ok();
  });
}

Result<void> Queue::retry(EntryId const& id) {
  return guarded(*database_, [&]() -> Result<void> {
    soci::session& sql = database_->sql();
    soci::statement again =
        (sql.prepare << "UPDATE jobs SET not_before_us = 0 WHERE id = :id AND state = 'waiting'", use(id.text(), "id"));
    if (changed_rows(again) != 1) return not_changed(sql, id.text());
    return ok();
  });
}

Result<void> Queue::cancel(EntryId const& id) {
  return guarded(*database_, [&]() -> Result<void> {
    soci::session& sql = database_->sql();
    soci::statement cancelled = (sql.prepare << "UPDATE jobs SET state = 'cancelled', owner = '', leased_until_us = 0 "
                                                "WHERE id = :id AND state IN ('waiting', 'leased', 'dead')",
                                 use(id.text(), "id"));
    if (changed_rows(cancelled) != 1) return not_changed(sql, id.text());
    return ok();
  });
}

}  // namespace impound::index
