// impound status: what the vault holds and what is under way, from its index and its log.
#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/authorities.h"
#include "agent/work/outcome_text.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "agent/work/waiting_attempt.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/hex.h"
#include "evidence/timestamps/stamping_history.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::ReadEntry;

namespace {

constexpr std::size_t alerts_max = 50;  // the newest

struct Standing {
  index::Counts counts;
  std::vector<index::SourceCounts> sources;
  struct Open {
    std::string info_hash;
    std::string waits;  // for a slot: why; "" for those that do not
    WaitingAttempt later{};
  };
  std::map<std::string, Open> open;  // by attempt
  std::vector<Json> alerts;
  evidence::StampingHistory stamping;

  void take(ReadEntry const& entry) {
    Json const& body = entry.body();
    std::string const& kind = entry.kind();
    stamping.take(entry);
    if (kind == "acquisition.attempt")
      open[entry.id().text()] = {
          text_field(body, "info_hash_v1").value_or(text_field(body, "info_hash_v2").value_or("?")), {}, {}};
    if ((kind == "limit.reached" || kind == "limit.left") && entry.of())
      if (auto const job = open.find(entry.of()->text()); job != open.end())
        job->second.waits = kind == "limit.left" ? "" : text_field(body, "doing").value_or("?");
    if (entry.of())
      if (auto const job = open.find(entry.of()->text()); job != open.end()) job->second.later.take(entry);
    if (kind == "incident.raised")
      alerts.push_back(
          {{"index", entry.index}, {"utc", entry.utc()}, {"what", text_field(body, "what").value_or("?")}});
  }

  /// Acquisitions that ended in one of these states.
  std::uint64_t ended(std::initializer_list<std::string_view> states) const {
    std::uint64_t ended = 0;
    for (index::Counts::Results const& one : counts.results)
      if (std::find(states.begin(), states.end(), one.state) != states.end()) ended += one.count;
    return ended;
  }
  std::uint64_t ended() const {
    std::uint64_t ended = 0;
    for (index::Counts::Results const& one : counts.results) ended += one.count;
    return ended;
  }
};

Json to_json(index::SourceCounts const& source) {
  Json one{{"name", source.name}, {"state", source.state}};
  if (source.polled)
    one.update(
        {{"polls", source.polls}, {"new", source.fresh}, {"failed", source.failed}, {"last_utc", source.last_utc}});
  return one;
}

/// What is anchored, what is asked for and not there yet, and which authorities this machine last failed to reach.
Json timestamps_json(evidence::StampingHistory const& stamping, VaultReading& reading) {
  Json told = Json::object();
  if (auto const anchored = stamping.anchored())
    told["anchored"] = {
        {"size", anchored->size}, {"tokens", anchored->tokens}, {"gen_time", utc_text(anchored->gen_time_us)}};
  if (!stamping.open().empty()) {
    auto const& attempt = stamping.open().rbegin()->second;
    std::size_t tokens = 0;
    for (auto const& authority : attempt.authorities)
      if (reading.vault->disk().facts_of(evidence::token_file(attempt.size, authority.name))) ++tokens;
    told["pending"] = {{"size", attempt.size}, {"tokens", tokens}, {"required", attempt.required}};
  }
  Json failing = Json::array();
  if (auto state = LinuxDisk::open_at(state_folder(reading.vault->identity())))
    for (FailingAuthority const& one : failing_authorities(*state.value()))
      failing.push_back(
          {{"authority", one.name}, {"tries", one.tries}, {"reason", one.reason}, {"next_utc", one.next_utc}});
  if (!failing.empty()) told["failing"] = std::move(failing);
  return told;
}

Json to_json(Standing const& standing, VaultReading& reading) {
  Json sources = Json::array();
  for (index::SourceCounts const& source : standing.sources) sources.push_back(to_json(source));
  std::uint64_t const complete = standing.ended({"complete", "metadata_only"}), partial = standing.ended({"partial"});
  Json open = Json::array();
  for (auto const& [id, job] : standing.open) {
    Json one{{"id", id}, {"info_hash", job.info_hash}, {"waiting", !job.waits.empty() || job.later.waits()}};
    if (job.later.waits())
      one["waits"] = reason_text(job.later.reason()) + "; " + job.later.text();
    else if (!job.waits.empty())
      one["waits"] = job.waits;
    job.later.add_to(one);
    open.push_back(std::move(one));
  }
  evidence::Checkpoint const& checkpoint = reading.log->checkpoint();
  auto const free = reading.vault->disk().free_bytes();
  auto const& anchored = standing.stamping.anchored();
  return {{"sources", sources},
          {"jobs",
           {{"open", open},
            {"complete", complete},
            {"partial", partial},
            {"failed", standing.ended() - complete - partial},
            {"captured", standing.counts.captured}}},
          {"log",
           {{"size", checkpoint.size},
            {"root", base64(Bytes{checkpoint.root.bytes})},
            {"anchored_size", anchored ? anchored->size : 0},
            {"vkey", reading.log->key().vkey()}}},
          {"timestamps", timestamps_json(standing.stamping, reading)},
          {"vault",
           {{"path", reading.vault->path()},
            {"held", reading.vault->held_by_writer()},
            {"objects", standing.counts.objects},
            {"bytes", standing.counts.bytes},
            {"free_bytes", free ? free.value() : 0}}},
          {"alerts", standing.alerts}};
}

void print_timestamps(Json const& told) {
  auto const number = [](Json const& n) { return static_cast<unsigned long long>(n.get<std::uint64_t>()); };
  if (told.contains("anchored"))
    std::printf("stamped  the first %llu entries, by %llu timestamp(s), at %s\n", number(told["anchored"]["size"]),
                number(told["anchored"]["tokens"]), told["anchored"]["gen_time"].get<std::string>().c_str());
  else
    std::printf("stamped  nothing yet\n");
  if (told.contains("pending"))
    std::printf("         timestamp pending over %llu entries: %llu of %llu needed\n", number(told["pending"]["size"]),
                number(told["pending"]["tokens"]), number(told["pending"]["required"]));
  if (told.contains("failing"))
    for (Json const& one : told["failing"])
      std::printf("         %s failed %llu time(s), next at %s: %s\n", one["authority"].get<std::string>().c_str(),
                  number(one["tries"]), one["next_utc"].get<std::string>().c_str(),
                  shown(one["reason"].get<std::string>(), 200).c_str());
}

void print(Json const& status) {
  auto const number = [](Json const& n) { return static_cast<unsigned long long>(n.get<std::uint64_t>()); };
  Json const& vault = status["vault"];
  Json const& jobs = status["jobs"];
  std::printf("vault    %s, %s\n", vault["path"].get<std::string>().c_str(),
              vault["held"].get<bool>() ? "a writer is at work" : "at rest");
  std::printf("holds    %llu objects, %s; %s free\n", number(vault["objects"]),
              bytes_text(vault["bytes"].get<std::uint64_t>()).c_str(),
              bytes_text(vault["free_bytes"].get<std::uint64_t>()).c_str());
  std::printf("log      %llu entries, root %s\n", number(status["log"]["size"]),
              status["log"]["root"].get<std::string>().c_str());
  std::printf("key      %s\n", status["log"]["vkey"].get<std::string>().c_str());
  print_timestamps(status["timestamps"]);
  std::printf("taken    %llu complete, %llu partial, %llu failed; %llu captures\n", number(jobs["complete"]),
              number(jobs["partial"]), number(jobs["failed"]), number(jobs["captured"]));
  for (Json const& open : jobs["open"]) {
    std::printf("open     %s  %s%s\n", open["info_hash"].get<std::string>().c_str(),
                open["id"].get<std::string>().c_str(), open["waiting"].get<bool>() ? "  waiting" : "");
    if (open.contains("next_try_utc")) std::printf("         %s\n", open["waits"].get<std::string>().c_str());
  }
  for (Json const& source : status["sources"])
    std::printf("source   %s  %s, %llu polls (%llu failed), %llu new, last %s\n",
                source["name"].get<std::string>().c_str(), source["state"].get<std::string>().c_str(),
                number(source.value("polls", Json(0))), number(source.value("failed", Json(0))),
                number(source.value("new", Json(0))), source.value("last_utc", std::string("never")).c_str());
  for (Json const& alert : status["alerts"])
    std::printf("ALERT    entry %llu, %s: %s\n", number(alert["index"]), alert["utc"].get<std::string>().c_str(),
                shown(alert["what"].get<std::string>()).c_str());
}

/// What is counted comes from the index; what is said of an entry, from the entry.
Result<Standing> standing_of(VaultReading& reading) {
  Standing standing;
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) -> Result<index::Places> {
    IMPOUND_TRY(counts, index.counts());
    IMPOUND_TRY(sources, index.sources());
    IMPOUND_TRY(open, index.of_open_acquisitions());
    IMPOUND_TRY(stampings, index.of_timestamps());
    IMPOUND_TRY(alerts, index.newest_of_kind("incident.raised", alerts_max));
    standing.counts = std::move(counts);
    standing.sources = std::move(sources);
    return index::joined({open, stampings, alerts});
  }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    standing.take(entry);
    return ok();
  }));
  return standing;
}

Result<void> run(bool json, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(standing, standing_of(reading));
  Json const status = to_json(standing, reading);
  if (json)
    print_json(status);
  else
    print(status);
  return ok();
}

}  // namespace

void add_status(ProgramLine& program, Invocation& invocation) {
  auto const json = std::make_shared<bool>(false);
  CommandLine command =
      program.command("status", "says what the vault holds and what is under way", [json, &invocation] {
        invocation.chosen = [json, &invocation] {
          if (auto done = run(*json, invocation); !done) return tell(done.error());
          return ExitCode::done;
        };
      });
  command.flag("--json", *json, "one object");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
