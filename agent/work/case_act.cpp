#include "agent/work/case_act.h"

#include <optional>
#include <set>
#include <utility>

#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "agent/work/target.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::CaseState;
using evidence::EntryDraft;
using evidence::ReadEntry;

namespace {

constexpr std::size_t text_bytes_max = 2'000;

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

}  // namespace

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

Result<void> CasesRead::read_on(Settings const& settings, SubjectSearch* search) {
  IMPOUND_TRY(reading, VaultReading::open(settings));
  return reading.each(read_, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    cases_.take(entry);
    if (search != nullptr) search->take(entry);
    read_ = entry.index + 1;
    return ok();
  });
}

namespace {

using May = Result<void> (evidence::Cases::*)(CaseName const&) const;

/// An act, what it writes, and the words for a person.
struct Kind {
  char const* act;
  char const* entry;
  char const* change;  // of case.changed, or nullptr
  May may;
  char const* told;
};
constexpr Kind kinds[] = {
    {"open", "case.opened", nullptr, &evidence::Cases::may_open, "opened    "},
    {"close", "case.closed", nullptr, &evidence::Cases::may_close, "closed    "},
    {"hold", "case.changed", "hold", &evidence::Cases::may_hold, "held      "},
    {"release", "case.changed", "release", &evidence::Cases::may_release, "released  "},
    {"assign", "case.assigned", nullptr, &evidence::Cases::may_assign, "assigned  "},
};

}  // namespace

struct CaseAct::State {
  Kind const* kind = nullptr;
  CaseName name;
  Json body = Json::object();
  std::optional<SubjectSearch> search{};  // of an assignment
  CasesRead read{};
  CaseState before{};
};

CaseAct::CaseAct(std::unique_ptr<State> state) : state_(std::move(state)) {}
CaseAct::CaseAct(CaseAct&&) noexcept = default;
CaseAct& CaseAct::operator=(CaseAct&&) noexcept = default;
CaseAct::~CaseAct() = default;

Result<CaseAct> CaseAct::parse(CaseOrder const& order) {
  Kind const* found = nullptr;
  for (Kind const& kind : kinds)
    if (order.act == kind.act) found = &kind;
  if (found == nullptr) return Error{Code::usage, "no act on a case", order.act.substr(0, 40), {}};
  IMPOUND_TRY(name, case_named(order.name));
  auto state = std::make_unique<State>(State{found, std::move(name)});
  if (found->entry == std::string_view("case.assigned")) {
    IMPOUND_TRY(search, SubjectSearch::parse(order.subject));
    state->search = std::move(search);
  }
  IMPOUND_CHECK(add_text(state->body, "title", order.title));
  IMPOUND_CHECK(add_text(state->body, "authority", order.authority));
  IMPOUND_CHECK(add_text(state->body, "why", order.why));
  if (found->change != nullptr) state->body["change"] = found->change;
  return CaseAct{std::move(state)};
}

Result<void> CaseAct::judge(Settings const& settings) {
  State& state = *state_;
  IMPOUND_CHECK(state.read.read_on(settings, state.search ? &*state.search : nullptr));
  IMPOUND_CHECK((state.read.cases().*state.kind->may)(state.name));
  CaseState const* const found = state.read.cases().find(state.name);
  state.before = found == nullptr ? CaseState{} : *found;
  if (!state.search) return ok();
  IMPOUND_TRY(subject, state.search->found());
  state.body["subject"] = subject.text();
  return ok();
}

EntryDraft CaseAct::draft(evidence::By by) const {
  return EntryDraft{state_->kind->entry, state_->body, state_->name, {}, {}, std::move(by), {}};
}

std::string CaseAct::told() const {
  State const& state = *state_;
  std::string text = state.kind->told;
  if (state.search) return text + state.body["subject"].get<std::string>() + " to " + state.name.text();
  text += state.name.text();
  std::string_view const act = state.kind->act;
  if (act == "open") return text + (state.before.entries > 0 ? ", which entries had named before" : "");
  if (act == "close") return text + (state.before.held ? "; its hold stands until it is released" : "");
  return text + (state.before.closed ? ", a closed case" : "");
}

}  // namespace impound::agent
