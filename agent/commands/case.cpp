// impound case: opens and closes cases, puts holds on them, and says what belongs to them. Each is an entry for good.
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/anchoring.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "agent/work/target.h"
#include "evidence/cases.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::CaseState;
using evidence::EntryDraft;
using evidence::ReadEntry;

namespace {

constexpr std::size_t text_bytes_max = 2'000;

struct CaseCommand {
  std::string name;
  std::string subject;
  std::string title;
  std::string authority;
  std::string why;
  bool json = false;
};

Result<CaseName> case_named(std::string const& text) {
  auto name = CaseName::parse(text);
  if (!name)
    return Error{Code::usage, "this is no name of a case", text.substr(0, 120),
                 "[a-z0-9][a-z0-9._-]*, at most 64 characters"};
  return std::move(*name);
}

Result<void> add_text(Json& body, char const* key, std::string const& text) {
  if (text.empty()) return ok();
  if (text.size() > text_bytes_max || !is_utf8(text))
    return Error{
        Code::usage, std::string("--") + key + " takes text in UTF-8 of at most 2,000 bytes", text.substr(0, 80), {}};
  body[key] = text;
  return ok();
}

/// The entry that a subject means: the one with this id, the object's only exhibit, or the torrent's acquisition (of
/// several the newest complete one, else the newest).
class SubjectSearch {
 public:
  static Result<SubjectSearch> parse(std::string const& text) {
    SubjectSearch search;
    search.text_ = text.substr(0, 120);
    search.id_ = EntryId::parse(text);
    search.object_ = digest_from_hex<Sha256>(text);
    search.torrent_ = named_torrent(text);
    if (search.id_ || search.object_ || search.torrent_) return search;
    return Error{Code::usage, "no id of an entry, SHA-256 or info-hash", search.text_,
                 "`impound log` prints what there is"};
  }

  void take(ReadEntry const& entry) {
    if (id_ && entry.id() == *id_) found_id_ = entry.id();
    if (object_ && entry.kind() == "exhibit.sealed" && entry.text("sha256") == hex(*object_)) {
      ++exhibits_;
      exhibit_ = entry.id();
    }
    if (torrent_) take_torrent(entry);
  }

  Result<EntryId> found() const {
    if (found_id_) return *found_id_;
    if (complete_) return *complete_;
    if (newest_) return *newest_;
    if (exhibits_ == 1) return *exhibit_;
    if (exhibits_ > 1)
      return Error{Code::refused, "the object is " + std::to_string(exhibits_) + " exhibits", text_,
                   "Name the one that is meant by its id: impound show " + text_};
    return Error{Code::not_found, "the vault's log does not name this", text_, "`impound log` prints what there is"};
  }

 private:
  void take_torrent(ReadEntry const& entry) {
    if (auto const attempt = acquisition_of(entry, *torrent_)) {
      attempts_.insert(*attempt);
      newest_ = *attempt;
    }
    bool const ended = entry.kind() == "acquisition.result" && text_field(entry.body(), "state") == "complete";
    if (ended && entry.of() && attempts_.contains(*entry.of())) complete_ = *entry.of();
  }

  std::string text_;
  std::optional<EntryId> id_;
  std::optional<Sha256> object_;
  std::optional<InfoHashes> torrent_;
  std::optional<EntryId> found_id_, exhibit_, newest_, complete_;
  std::set<EntryId> attempts_;
  std::uint64_t exhibits_ = 0;
};

/// What the log has of cases, read on as it grows.
class CasesRead {
 public:
  Result<void> read_on(Settings const& settings, SubjectSearch* search = nullptr) {
    IMPOUND_TRY(reading, VaultReading::open(settings));
    return reading.each(read_, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
      cases_.take(entry);
      if (search != nullptr) search->take(entry);
      read_ = entry.index + 1;
      return ok();
    });
  }
  evidence::Cases const& cases() const { return cases_; }

 private:
  evidence::Cases cases_;
  std::uint64_t read_ = 0;
};

/// Takes the vault and logs one entry, if `judge` allows it: before anything is written, so that what cannot be leaves
/// no trace, and again under the vault's lock, for another may have been faster. `judge` fills in what it finds.
Result<void> record(Settings const& settings, EntryDraft draft, Invocation& invocation,
                    std::function<Result<void>(Json&)> const& judge) {
  IMPOUND_CHECK(judge(draft.body));
  IMPOUND_TRY(session, Session::open(settings, "case", invocation.clock, invocation.randomness));
  Result<void> done = judge(draft.body);
  if (done)
    if (auto recorded = session->recorder().record(std::move(draft)); !recorded) done = std::move(recorded).error();
  auto const closed = session->close(done ? "done" : "error");
  if (!done) return done;
  say_if_due(*session, settings.timestamps, invocation.common.quiet);
  return closed;
}

using May = Result<void> (evidence::Cases::*)(CaseName const&) const;

/// open, close, hold and release: one entry, if what the log has allows it. Gives the case as it was before.
Result<CaseState> change(CaseCommand const& asked, std::string const& kind, Json body, May may,
                         Invocation& invocation) {
  IMPOUND_TRY(name, case_named(asked.name));
  IMPOUND_CHECK(add_text(body, "title", asked.title));
  IMPOUND_CHECK(add_text(body, "authority", asked.authority));
  IMPOUND_CHECK(add_text(body, "why", asked.why));
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  CasesRead read;
  CaseState before;
  auto const judge = [&](Json&) -> Result<void> {
    IMPOUND_CHECK(read.read_on(settings));
    IMPOUND_CHECK((read.cases().*may)(name));
    CaseState const* const found = read.cases().find(name);
    before = found == nullptr ? CaseState{} : *found;
    return ok();
  };
  IMPOUND_CHECK(
      record(settings, EntryDraft{kind, std::move(body), name, {}, {}, who(settings), {}}, invocation, judge));
  return before;
}

Result<void> assign(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(name, case_named(asked.name));
  IMPOUND_TRY(search, SubjectSearch::parse(asked.subject));
  Json body = Json::object();
  IMPOUND_CHECK(add_text(body, "why", asked.why));
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  CasesRead read;
  std::string subject;
  auto const judge = [&](Json& into) -> Result<void> {
    IMPOUND_CHECK(read.read_on(settings, &search));
    IMPOUND_CHECK(read.cases().may_assign(name));
    IMPOUND_TRY(found, search.found());
    subject = found.text();
    into["subject"] = subject;
    return ok();
  };
  IMPOUND_CHECK(record(settings, EntryDraft{"case.assigned", std::move(body), name, {}, {}, who(settings), {}},
                       invocation, judge));
  std::printf("assigned  %s to %s\n", subject.c_str(), name.text().c_str());
  return ok();
}

char const* word(CaseState const& state) { return !state.opened ? "unopened" : state.closed ? "closed" : "open"; }

Result<void> list(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  CasesRead read;
  IMPOUND_CHECK(read.read_on(settings));
  for (auto const& [name, state] : read.cases().by_name()) {
    if (asked.json) {
      Json one{{"case", name},
               {"state", word(state)},
               {"hold", state.held},
               {"entries", state.entries},
               {"exhibits", state.exhibits},
               {"assigned", state.assigned}};
      if (!state.title.empty()) one["title"] = state.title;
      if (!state.authority.empty()) one["authority"] = state.authority;
      print_json(one);
      continue;
    }
    std::printf("%-20s %-8s %-5s %6llu entries %6llu exhibits %4llu assigned  %s\n", name.c_str(), word(state),
                state.held ? "HOLD" : "", static_cast<unsigned long long>(state.entries),
                static_cast<unsigned long long>(state.exhibits), static_cast<unsigned long long>(state.assigned),
                shown(state.title, 60).c_str());
  }
  return ok();
}

Result<void> open(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(before, change(asked, "case.opened", Json::object(), &evidence::Cases::may_open, invocation));
  std::printf("opened    %s%s\n", asked.name.c_str(), before.entries > 0 ? ", which entries had named before" : "");
  return ok();
}

Result<void> close(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(before, change(asked, "case.closed", Json::object(), &evidence::Cases::may_close, invocation));
  std::printf("closed    %s%s\n", asked.name.c_str(), before.held ? "; its hold stands until it is released" : "");
  return ok();
}

Result<void> hold(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(before, change(asked, "case.changed", {{"change", "hold"}}, &evidence::Cases::may_hold, invocation));
  std::printf("held      %s%s\n", asked.name.c_str(), before.closed ? ", a closed case" : "");
  return ok();
}

Result<void> release(CaseCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(before,
              change(asked, "case.changed", {{"change", "release"}}, &evidence::Cases::may_release, invocation));
  std::printf("released  %s%s\n", asked.name.c_str(), before.closed ? ", a closed case" : "");
  return ok();
}

using Run = Result<void> (*)(CaseCommand const&, Invocation&);

CommandLine add(ProgramLine& program, Invocation& invocation, std::shared_ptr<CaseCommand> const& asked,
                std::string const& name, std::string const& help, Run run) {
  return program.command("case", name, help, [asked, run, &invocation] {
    invocation.chosen = [asked, run, &invocation] {
      if (auto done = run(*asked, invocation); !done) return tell(done.error());
      return ExitCode::done;
    };
  });
}

}  // namespace

void add_case(ProgramLine& program, Invocation& invocation) {
  constexpr auto required = CommandLine::Need::required;
  auto const asked = std::make_shared<CaseCommand>();
  program.group("case", "opens, holds and closes cases, and says what belongs to them");

  CommandLine opened = add(program, invocation, asked, "open", "opens a case: once for each name", open);
  opened.option("NAME", asked->name, "[a-z0-9][a-z0-9._-]*, at most 64 characters", required);
  opened.option("--title", asked->title, "what the case is about");
  opened.option("--authority", asked->authority, "on whose order evidence is kept");

  CommandLine listed = add(program, invocation, asked, "list", "every case with its state, hold and counts", list);
  listed.flag("--json", asked->json,
              "one object a line: case, state (open, closed, unopened), hold, entries, exhibits, assigned, title?, "
              "authority?");

  CommandLine assigned = add(program, invocation, asked, "assign", "says that something belongs to a case", assign);
  assigned.option("SUBJECT", asked->subject, "id of an entry, SHA-256 of an exhibit, or info-hash", required);
  assigned.option("NAME", asked->name, "an open case", required);

  CommandLine closed =
      add(program, invocation, asked, "close", "closes a case: nothing is assigned to it any more", close);
  CommandLine held = add(program, invocation, asked, "hold", "nothing of the case may be erased, until released", hold);
  CommandLine released = add(program, invocation, asked, "release", "ends the hold on a case", release);
  for (CommandLine* command : {&closed, &held, &released})
    command->option("NAME", asked->name, "a case that was opened", required);
  for (CommandLine* command : {&assigned, &closed, &held, &released})
    command->option("--why", asked->why, "the reason, for the log");
  for (CommandLine* command : {&opened, &listed, &assigned, &closed, &held, &released})
    add_common_options(*command, invocation.common);
}

}  // namespace impound::agent
