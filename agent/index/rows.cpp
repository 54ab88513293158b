#include "agent/index/rows.h"

#include <algorithm>

#include "agent/index/queue.h"
#include "evidence/formats/hex.h"
#include "evidence/timestamps/stamping_entry.h"
#include "evidence/values/digest.h"
#include "evidence/values/info_hash.h"
#include "evidence/values/utc_time.h"

namespace impound::index {

using evidence::ReadEntry;
using soci::into;
using soci::use;

namespace {

std::string text(ReadEntry const& entry, char const* key) { return entry.text(key).value_or(""); }

long long number(ReadEntry const& entry, char const* key) {
  constexpr std::uint64_t most = (std::uint64_t{1} << 53) - 1;
  return static_cast<long long>(std::min(entry.number(key).value_or(0), most));
}

std::string id_text(std::optional<EntryId> const& id) { return id ? id->text() : std::string(); }

/// A hash only in its own form, so that whoever asks for one finds it.
template <class Hash>
std::string hash_text(ReadEntry const& entry, char const* key) {
  auto const digest = digest_from_hex<Hash>(text(entry, key));
  return digest ? hex(*digest) : std::string();
}

}  // namespace

Rows::Rows(Database& database)
    : database_(database),
      sql_(database.sql()),
      entry_((sql_.prepare << "INSERT INTO entries (log_index, id, kind, of_id) VALUES (:i, :id, :kind, :of)",
              use(index_, "i"), use(id_, "id"), use(kind_, "kind"), use(of_, "of"))),
      exhibit_((sql_.prepare << "INSERT INTO exhibits (log_index, id, acquisition, role, sha256) "
                                "VALUES (:i, :id, :of, :role, :sha)",
                use(index_, "i"), use(id_, "id"), use(of_, "of"), use(role_, "role"), use(sha256_, "sha"))),
      object_((sql_.prepare << "INSERT INTO objects (sha256, size) VALUES (:sha, :size) "
                               "ON CONFLICT (sha256) DO UPDATE SET size = excluded.size",
               use(sha256_, "sha"), use(size_, "size"))),
      attempt_((sql_.prepare << "INSERT INTO capture_attempts (id, log_index, source, item_key, route) "
                                "VALUES (:id, :i, :s, :k, :r) ON CONFLICT (id) DO NOTHING",
                use(id_, "id"), use(index_, "i"), use(source_, "s"), use(key_, "k"), use(route_, "r"))),
      attempt_over_((sql_.prepare << "DELETE FROM capture_attempts WHERE id = :of", use(of_, "of"))),
      capture_((sql_.prepare << "INSERT INTO captures (log_index, id, source, item_key, outcome, found) "
                                "VALUES (:i, :id, :s, :k, :o, :f)",
                use(index_, "i"), use(id_, "id"), use(source_, "s"), use(key_, "k"), use(outcome_, "o"),
                use(found_, "f"))) {}

bool Rows::has(std::uint64_t log_index) {
  long long const at = static_cast<long long>(log_index);
  long long there = 0;
  sql_ << "SELECT COUNT(*) FROM entries WHERE log_index = :i", use(at), into(there);
  return there > 0;
}

void Rows::take(ReadEntry const& entry) {
  index_ = static_cast<long long>(entry.index);
  id_ = entry.id().text();
  kind_ = entry.kind();
  of_ = id_text(entry.of());
  entry_.execute(true);
  if (kind_ == "exhibit.sealed")
    take_exhibit(entry);
  else if (kind_ == "exhibit.erased" || kind_ == "entry.erased")
    take_erasure(entry);
  else if (kind_ == "capture.attempt")
    take_capture_attempt(entry);
  else if (kind_ == "capture.result")
    take_capture_result(entry);
  else if (kind_ == "reference.found") {
    std::string const capture = id_text(entry.cause());
    long long const total = number(entry, "total");
    sql_ << "INSERT INTO reference_lists (log_index, capture, total) VALUES (:i, :capture, :total)", use(index_),
        use(capture), use(total);
  } else if (kind_ == "acquisition.attempt")
    take_acquisition(entry);
  else if (kind_ == "acquisition.metadata" && !of_.empty()) {
    name_acquisition(of_, entry);
    std::string const name = text(entry, "name_hex");
    sql_ << "UPDATE acquisitions SET name_hex = :name WHERE attempt = :of", use(name), use(of_);
  } else if (kind_ == "acquisition.stalled" && !of_.empty())
    take_stall(entry);
  else if (kind_ == "acquisition.result" && !of_.empty())
    take_acquisition_result(entry);
  else if (kind_ == "timestamp.attempt" || kind_ == "timestamp.result")
    take_stamping(entry);
  else if (kind_ == "source.polled" || kind_ == "source.changed")
    take_source(entry);
  else if (kind_ == "job.closed" && entry.cause())
    take_closed(entry);
}

void Rows::take_exhibit(ReadEntry const& entry) {
  role_ = text(entry, "role");
  sha256_ = hash_text<Sha256>(entry, "sha256");
  exhibit_.execute(true);
  if (sha256_.empty()) return;
  size_ = number(entry, "size");
  object_.execute(true);
}

void Rows::take_erasure(ReadEntry const& entry) {
  for (char const* const names : {"exhibit", "capture", "entry"}) {
    std::string const subject = text(entry, names);
    if (subject.empty()) continue;
    sql_ << "INSERT INTO erasures (log_index, subject) VALUES (:i, :subject)", use(index_), use(subject);
    break;
  }
  std::string const object = hash_text<Sha256>(entry, "sha256");
  if (kind_ == "exhibit.erased" && !object.empty()) sql_ << "DELETE FROM objects WHERE sha256 = :sha", use(object);
}

void Rows::take_capture_attempt(ReadEntry const& entry) {
  source_ = text(entry, "source");
  key_ = text(entry, "key");
  route_ = text(entry, "route");
  attempt_.execute(true);
}

void Rows::take_capture_result(ReadEntry const& entry) {
  std::string source, key, route;
  sql_ << "SELECT source, item_key, route FROM capture_attempts WHERE id = :of", use(of_), into(source), into(key),
      into(route);
  bool const known = sql_.got_data();
  if (!known) source = key = route = "";
  attempt_over_.execute(true);
  std::string const outcome = text(entry, "outcome");
  long long const found = number(entry, "references");
  source_ = source;
  key_ = key;
  outcome_ = outcome;
  found_ = found;
  capture_.execute(true);
  if (known && !source.empty() && !key.empty()) take_item(entry, outcome, found, source, key, route);
}

/// An item is a job while it could not be had; then its references are one, until they are worked off.
void Rows::take_item(ReadEntry const& entry, std::string const& outcome, long long found, std::string const& source,
                     std::string const& key, std::string const& route) {
  std::string before, job;
  sql_ << "SELECT state, job FROM items WHERE source = :s AND item_key = :k", use(source), use(key), into(before),
      into(job);
  if (!sql_.got_data()) before = job = "";
  std::string state;
  if (outcome == "captured") {
    if (before == "failed") close_job(job, "done");
    state = found == 0 ? "seen" : "following";
    job = found == 0 ? "" : id_;
    if (found > 0)
      open_job(entry, std::string(job_references), {{"source", source}, {"key", key}, {"references", found}}, route);
  } else {
    if (before == "seen" || before == "following" || before == "closed") return;
    state = "failed";
    if (before != "failed") {
      job = id_;
      open_job(entry, std::string(job_item), {{"source", source}, {"key", key}, {"url", text(entry, "url")}}, route);
    }
    // What a crash cut says nothing of the item.
    if (outcome == "failed") {
      long long const utc = utc_us_from(entry.utc()).value_or(0);
      long long attempts = 0;
      sql_ << "SELECT attempts FROM jobs WHERE id = :id", use(job), into(attempts);
      long long const next = utc + backoff_us(BackoffLimits{}, static_cast<unsigned>(std::min(attempts, 64LL)), {});
      sql_ << "UPDATE jobs SET attempts = attempts + 1, not_before_us = :next, state = 'waiting' "
              "WHERE id = :id AND state IN ('waiting', 'leased')",
          use(next), use(job);
    }
  }
  sql_ << "INSERT INTO items (source, item_key, state, job) VALUES (:s, :k, :state, :job) "
          "ON CONFLICT (source, item_key) DO UPDATE SET state = excluded.state, job = excluded.job",
      use(source), use(key), use(state), use(job);
}

void Rows::take_acquisition(ReadEntry const& entry) {
  std::string const v1 = hash_text<InfoHashV1>(entry, "info_hash_v1"),
                    v2 = hash_text<InfoHashV2>(entry, "info_hash_v2");
  int const by_person = entry.json.contains("by") ? 1 : 0;
  sql_ << "INSERT INTO acquisitions (attempt, log_index, info_hash_v1, info_hash_v2, name_hex, by_person, state, "
          "reason, "
          "result, file_list, swarm_record) VALUES (:id, :i, :v1, :v2, '', :by, 'open', '', '', '', '') "
          "ON CONFLICT (attempt) DO NOTHING",
      use(id_), use(index_), use(v1), use(v2), use(by_person);
  name_acquisition(id_, entry);
  Json subject = Json::object();
  if (!v1.empty()) subject["info_hash_v1"] = v1;
  if (!v2.empty()) subject["info_hash_v2"] = v2;
  open_job(entry, std::string(job_acquisition), subject, text(entry, "route"));
}

void Rows::name_acquisition(std::string const& attempt, ReadEntry const& entry) {
  for (std::string const& hash :
       {hash_text<InfoHashV1>(entry, "info_hash_v1"), hash_text<InfoHashV2>(entry, "info_hash_v2")})
    if (!hash.empty())
      sql_ << "INSERT INTO acquisition_names (info_hash, attempt) VALUES (:hash, :attempt) "
              "ON CONFLICT (info_hash, attempt) DO NOTHING",
          use(hash), use(attempt);
}

void Rows::take_stall(ReadEntry const& entry) {
  long long const tries = number(entry, "try");
  long long const next = utc_us_from(text(entry, "next_try_utc")).value_or(0);
  sql_ << "UPDATE jobs SET attempts = :tries, not_before_us = :next WHERE id = :of", use(tries), use(next), use(of_);
}

void Rows::take_acquisition_result(ReadEntry const& entry) {
  std::string const reason = text(entry, "reason"), list = text(entry, "file_list"),
                    record = text(entry, "swarm_record"), state = entry.text("state").value_or("failed");
  sql_ << "INSERT INTO acquisitions (attempt, log_index, info_hash_v1, info_hash_v2, name_hex, by_person, state, "
          "reason, "
          "result, file_list, swarm_record) VALUES (:of, :i, '', '', '', 0, :state, :reason, :id, :list, :record) "
          "ON CONFLICT (attempt) DO UPDATE SET state = excluded.state, reason = excluded.reason, "
          "result = excluded.result, file_list = excluded.file_list, swarm_record = excluded.swarm_record",
      use(of_), use(index_), use(state), use(reason), use(id_), use(list), use(record);
  close_job(of_, reason == "cancelled" ? "cancelled" : "done");
}

void Rows::take_stamping(ReadEntry const& entry) {
  if (kind_ == "timestamp.attempt") {
    sql_ << "INSERT INTO stampings (attempt, log_index, result_index, anchored_size) VALUES (:id, :i, -1, 0) "
            "ON CONFLICT (attempt) DO NOTHING",
        use(id_), use(index_);
    return;
  }
  if (of_.empty()) return;
  auto const result = evidence::result_from_json(entry.body());
  bool const anchored =
      result && result.value().state != evidence::StampingState::superseded && !result.value().tokens.empty();
  long long const size = anchored ? static_cast<long long>(result.value().size) : 0;
  sql_ << "INSERT INTO stampings (attempt, log_index, result_index, anchored_size) VALUES (:of, :i, :i, :size) "
          "ON CONFLICT (attempt) DO UPDATE SET result_index = excluded.result_index, "
          "anchored_size = excluded.anchored_size",
      use(of_, "of"), use(index_, "i"), use(size, "size");
}

void Rows::take_source(ReadEntry const& entry) {
  std::string const name = entry.text("source").value_or("?");
  sql_ << "INSERT INTO sources (name, polled, polls, new_items, failed, last_utc, state) "
          "VALUES (:name, 0, 0, 0, 0, '', '') ON CONFLICT (name) DO NOTHING",
      use(name);
  if (kind_ == "source.changed") {
    std::string const state = entry.text("state").value_or("?");
    sql_ << "UPDATE sources SET state = :state WHERE name = :name", use(state), use(name);
    return;
  }
  long long const polls = number(entry, "polls"), fresh = number(entry, "new"), failed = number(entry, "failed");
  std::string const last = entry.text("last_utc").value_or(entry.utc());
  sql_ << "UPDATE sources SET polled = polled + 1, polls = polls + :polls, new_items = new_items + :fresh, "
          "failed = failed + :failed, last_utc = :last, state = CASE WHEN state = '' THEN 'up' ELSE state END "
          "WHERE name = :name",
      use(polls), use(fresh), use(failed), use(last), use(name);
}

/// References that are worked off, or what an operator or a policy has ended: nothing of it comes again.
void Rows::take_closed(ReadEntry const& entry) {
  std::string const cause = id_text(entry.cause()), what = text(entry, "what");
  std::string source, key, outcome;
  sql_ << "SELECT source, item_key, outcome FROM captures WHERE id = :id", use(cause), into(source), into(key),
      into(outcome);
  bool const capture = sql_.got_data();
  std::string job = cause;
  if (capture && outcome != "captured") {
    // Any of the captures that failed names the item.
    sql_ << "SELECT job FROM items WHERE source = :s AND item_key = :k AND state = 'failed'", use(source), use(key),
        into(job);
    if (!sql_.got_data()) return;
  }
  std::string const state = what == job_cancelled ? "cancelled" : what == job_given_up ? "dead" : "done";
  close_job(job, state);
  if (!capture) return;
  std::string const item = outcome == "captured" ? "seen" : "closed";
  sql_ << "UPDATE items SET state = :state, job = '' WHERE source = :s AND item_key = :k AND state <> 'seen'",
      use(item), use(source), use(key);
}

void Rows::open_job(ReadEntry const& entry, std::string const& kind, Json const& subject, std::string const& route) {
  std::string const text = subject.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string const cause = id_text(entry.cause()), case_name = entry.case_name() ? entry.case_name()->text() : "";
  int const priority = entry.json.contains("by") ? 1 : 0;
  sql_ << "INSERT INTO jobs (id, kind, subject, route, cause, case_name, priority, state, owner, leased_until_us, "
          "attempts, not_before_us, log_index) "
          "VALUES (:id, :kind, :subject, :route, :cause, :case, :priority, 'waiting', '', 0, 0, 0, :i) "
          "ON CONFLICT (id) DO NOTHING",
      use(id_), use(kind), use(text), use(route), use(cause), use(case_name), use(priority), use(index_);
}

/// What is closed once stays as it was closed.
void Rows::close_job(std::string const& id, std::string const& state) {
  sql_ << "UPDATE jobs SET state = :state, owner = '', leased_until_us = 0 "
          "WHERE id = :id AND state IN ('waiting', 'leased')",
      use(state), use(id);
}

}  // namespace impound::index
