#include "agent/work/orders.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "agent/work/addresses.h"
#include "agent/work/case_act.h"
#include "agent/work/fetch_targets.h"
#include "agent/work/handed_out.h"
#include "agent/work/notes.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::chrono::milliseconds progress_every{500};
constexpr std::chrono::seconds stamping_wait{90};  // longer than the minute that an authority is left alone
constexpr std::size_t targets_max = 1'000;
constexpr std::size_t targets_bytes_max = 64u << 20;
constexpr std::size_t operator_characters_max = 200;
constexpr std::uint64_t timeout_s_max = 315'360'000;  // as the command line has it

std::string error_lines(Error const& error) {
  std::string text = "impound: " + shown(error.what, 400);
  if (!error.where.empty()) text += "  where: " + shown(error.where, 400);
  if (!error.hint.empty()) text += "  " + shown(error.hint, 400);
  return text;
}

Error wrong(std::string what, std::string const& where) {
  return Error{Code::usage, std::move(what), where.substr(0, 120), {}};
}

Result<std::optional<CaseName>> case_of(std::string const& text) {
  if (text.empty()) return std::optional<CaseName>{};
  auto name = CaseName::parse(text);
  if (!name) return wrong("this is no name of a case", text);
  return name;
}

}  // namespace

/// What one connection gathers, and then waits for.
struct Orders::Fetch {
  Fetch(std::uint64_t connection_, evidence::By by_, ControlHello const& hello, ControlSocket& socket,
        std::string const& vault)
      : connection(connection_),
        by(std::move(by_)),
        columns(hello.columns),
        talk(hello.json,
             {[this, &socket](std::string const& text) { socket.answer(connection, Said{text}); },
              [this, &socket](std::string const& text) { socket.answer(connection, Out{text}); },
              [this, &socket](Error const& error) {
                good = false;
                socket.answer(connection, Said{error_lines(error)});
              }},
             vault) {}
  std::uint64_t connection;
  evidence::By by;
  std::uint64_t columns;
  FetchTalk talk;
  std::vector<Target> targets{};
  std::string torrent{};  // of which pieces have come
  std::size_t bytes = 0;
  bool begun = false;
  bool good = true;
  std::optional<UrlTargets> urls{};  // of the targets
  std::optional<FetchTargets> targets_begun{};
  bool waits() const { return talk.waits() || (targets_begun && targets_begun->waits()); }
};

Orders::Orders(ControlSocket& socket, Session& session, Settings const& settings, Routes const& routes,
               CaptureGroup& captures, PageReader& reader, Acquisitions& acquisitions, Anchoring& anchoring,
               std::function<bool()> interrupted)
    : socket_(socket),
      session_(session),
      settings_(settings),
      routes_(routes),
      captures_(captures),
      reader_(reader),
      acquisitions_(acquisitions),
      anchoring_(anchoring),
      interrupted_(std::move(interrupted)) {}

Orders::~Orders() {
  for (auto const& [connection, fetch] : fetches_)
    socket_.end(
        connection,
        FailedOrder{Error{
            Code::cancelled, "the agent that holds the vault stops", {}, "Its next run goes on with what was begun"}});
}

Result<void> Orders::work() {
  std::set<std::uint64_t> over;  // had their order, or its error: what came behind it is not heard
  for (ControlSocket::Heard const& heard : socket_.hear()) {
    if (over.contains(heard.connection)) continue;
    std::string const operator_name =
        heard.hello.operator_name.empty() ? "" : shown(heard.hello.operator_name, operator_characters_max);
    Asker const asker{heard.connection, who(heard.peer.uid, operator_name), heard.hello};
    auto const done = std::visit([&](auto const& order) { return carry_out(asker, order); }, heard.order);
    spdlog::info("order={} uid={} pid={} result={}", shown(heard.hello.command, 40), heard.peer.uid, heard.peer.pid,
                 done ? "ok" : shown(line(done.error()), 400));
    bool const gathers =
        std::holds_alternative<TargetText>(heard.order) || std::holds_alternative<TargetPiece>(heard.order);
    if (!done || !gathers) over.insert(heard.connection);
    if (done) continue;
    forget(heard.connection);
    socket_.end(heard.connection, FailedOrder{done.error()});
    if (of_the_log(done.error())) return done.error();
  }
  std::vector<std::uint64_t> gone;
  for (auto const& [connection, fetch] : fetches_)
    if (!socket_.there(connection)) gone.push_back(connection);
  for (std::uint64_t const connection : gone) forget(connection);
  std::erase_if(left_alone_, [](auto const& fetch) { return !fetch->targets_begun->waits(); });
  end_those_over();
  std::erase_if(stampings_, [this](Stamping const& one) { return !socket_.there(one.connection); });
  tell_progress();
  tell_stampings();
  return ok();
}

void Orders::done(std::uint64_t connection, std::string const& out) {
  if (!out.empty()) socket_.answer(connection, Out{out});
  socket_.end(connection, DoneOrder{0});
}

Result<EntryId> Orders::record(EntryDraft draft) {
  IMPOUND_TRY(entry, session_.recorder().record(std::move(draft)));
  // Who asked may read the log at once.
  IMPOUND_CHECK(session_.recorder().publish());
  return entry;
}

Result<void> Orders::carry_out(Asker const&, ControlHello const&) { return wrong("a second greeting", {}); }

Result<void> Orders::carry_out(Asker const& asker, NoteOrder const& order) {
  IMPOUND_CHECK(session_.recorder().publish());
  IMPOUND_TRY(draft, note_on(settings_, order.subject, order.text, asker.by));
  IMPOUND_TRY(noted, record(std::move(draft)));
  done(asker.connection, "noted  " + noted.text() + "\n");
  return ok();
}

Result<void> Orders::carry_out(Asker const& asker, CaseOrder const& order) {
  IMPOUND_TRY(act, CaseAct::parse(order));
  IMPOUND_CHECK(session_.recorder().publish());
  IMPOUND_CHECK(act.judge(settings_));
  IMPOUND_CHECK(record(act.draft(asker.by)));
  done(asker.connection, act.told() + "\n");
  return ok();
}

Result<void> Orders::carry_out(Asker const& asker, TimestampOrder const&) {
  if (!anchoring_.configured())
    return wrong("no time-stamping authority is set in the settings of the process that holds the vault",
                 settings_.file);
  for (Stamping const& one : stampings_)
    if (one.connection == asker.connection) return wrong("a second order", {});
  anchoring_.want(true);
  stampings_.push_back({asker.connection, std::chrono::steady_clock::now() + stamping_wait});
  return ok();
}

Result<void> Orders::carry_out(Asker const& asker, ExportOrder const& order) {
  if (order.format != "jsonl" && order.format != "csv") return wrong("no format of an export", order.format);
  if (!digest_from_hex<Sha256>(order.sha256)) return wrong("no SHA-256", order.sha256);
  IMPOUND_TRY(case_name, case_of(order.case_name));
  IMPOUND_CHECK(record(exported(order, case_name, asker.by)));
  done(asker.connection, "");
  return ok();
}

Result<void> Orders::carry_out(Asker const& asker, CopyOrder const& order) {
  auto const subject = EntryId::parse(order.subject);
  if (!subject) return wrong("no id of an entry", order.subject);
  IMPOUND_CHECK(session_.recorder().publish());
  IMPOUND_TRY(reading, VaultReading::open(settings_));
  IMPOUND_TRY(found, reading.find(*subject));
  if (!found) return Error{Code::not_found, "the vault's log has no entry with this id", subject->text(), {}};
  IMPOUND_CHECK(record(copied(order, found->entry.case_name(), asker.by)));
  done(asker.connection, "");
  return ok();
}

/// What it began goes on: its URLs' answers are taken all the same.
void Orders::forget(std::uint64_t connection) {
  auto const fetch = fetches_.extract(connection);
  if (fetch && fetch.mapped()->targets_begun && fetch.mapped()->targets_begun->waits())
    left_alone_.push_back(std::move(fetch.mapped()));
}

Orders::Fetch& Orders::fetch_of(Asker const& asker) {
  auto& fetch = fetches_[asker.connection];
  if (!fetch) fetch = std::make_unique<Fetch>(asker.connection, asker.by, asker.hello, socket_, settings_.vault);
  return *fetch;
}

Result<void> Orders::carry_out(Asker const& asker, TargetText const& order) {
  Fetch& fetch = fetch_of(asker);
  fetch.bytes += order.text.size();
  if (fetch.begun || fetch.targets.size() == targets_max || fetch.bytes > targets_bytes_max)
    return wrong("more targets than one order takes", {});
  IMPOUND_TRY(target, parse_target_text(order.text));
  fetch.targets.push_back(std::move(target));
  return ok();
}

Result<void> Orders::carry_out(Asker const& asker, TargetPiece const& order) {
  Fetch& fetch = fetch_of(asker);
  fetch.bytes += order.bytes.size();
  if (fetch.begun || fetch.targets.size() == targets_max || fetch.bytes > targets_bytes_max)
    return wrong("more targets than one order takes", {});
  if (order.bytes.empty() && !order.last) return wrong("a piece of nothing", {});
  fetch.torrent += order.bytes;
  if (!order.last) return ok();
  auto torrent = torrent_target(std::exchange(fetch.torrent, {}));
  if (!torrent) return wrong("this is no .torrent: " + line(torrent.error()), {});
  fetch.targets.emplace_back(std::move(torrent).value());
  return ok();
}

Result<void> Orders::carry_out(Asker const& asker, FetchOrder const& order) {
  Fetch& fetch = fetch_of(asker);
  if (fetch.begun || fetch.targets.empty()) return wrong("an order without targets, or a second one", {});
  if (order.timeout_s && (*order.timeout_s == 0 || *order.timeout_s > timeout_s_max))
    return wrong("a timeout that is none", std::to_string(*order.timeout_s));
  for (std::string const& peer : order.peers) IMPOUND_CHECK(parse_host_port(peer));
  IMPOUND_CHECK(check_torrents_allowed(routes_.default_route(), settings_.file));
  IMPOUND_CHECK(check_peers_reached(routes_.default_route(), order.peers));
  IMPOUND_TRY(case_name, case_of(order.case_name));
  fetch.begun = true;
  std::uint64_t const connection = fetch.connection;
  UrlTargets& urls =
      fetch.urls.emplace(session_, settings_, captures_, reader_,
                         [this, connection](std::string const& text) { socket_.answer(connection, Said{text}); });
  FetchWish wish{{fetch.by, case_name}, order.peers, order.metadata_only, settings_.torrent_timeout};
  if (order.timeout_s) wish.timeout = std::chrono::seconds{*order.timeout_s};
  // Nobody can be asked by this line: what a page names is acquired by --yes, or where the settings have it so.
  auto const wants = [yes = order.yes, &urls](UrlTargets::Page const& page) {
    return yes || urls.acquired_by_settings(page.url);
  };
  bool const asks_dht = settings_.dht && !routes_.default_route().proxy;
  FetchTargets& targets =
      fetch.targets_begun.emplace(acquisitions_, urls, fetch.talk, std::move(wish), asks_dht, wants, interrupted_);
  for (Target const& target : std::exchange(fetch.targets, {})) {
    if (interrupted_()) break;
    auto const begun = targets.begin(target);
    if (!begun && of_the_log(begun.error())) return begun.error();
    if (!begun) fetch.talk.fail(begun.error());
  }
  end_if_over(fetch);
  return ok();
}

void Orders::tell(AcquisitionOutcome const& outcome) {
  std::vector<Fetch*> waiting;
  for (auto const& [connection, fetch] : fetches_)
    if (fetch->talk.waits_for(outcome.attempt)) waiting.push_back(fetch.get());
  for (Fetch* const fetch : waiting) {
    fetch->good = fetch->talk.outcome(outcome) && fetch->good;
    end_if_over(*fetch);
  }
}

void Orders::end_if_over(Fetch& fetch) {
  if (!fetch.begun || fetch.waits()) return;
  std::uint64_t const connection = fetch.connection;
  // Whoever asked may look at once at what they got; a log that fails tells the session itself.
  if (auto const published = session_.recorder().publish(); !published) return;
  fetch.talk.end();
  socket_.end(connection, DoneOrder{fetch.good ? 0u : 1u});
  fetches_.erase(connection);
}

void Orders::end_those_over() {
  std::vector<Fetch*> all;
  for (auto const& [connection, fetch] : fetches_) all.push_back(fetch.get());
  for (Fetch* const fetch : all) end_if_over(*fetch);
}

void Orders::tell_progress() {
  auto const now = std::chrono::steady_clock::now();
  if (fetches_.empty() || now < next_progress_) return;
  next_progress_ = now + progress_every;
  auto const all = acquisitions_.progress();
  for (auto const& [connection, fetch] : fetches_) {
    if (!socket_.has_room(connection)) continue;
    std::map<EntryId, TorrentProgress> own;
    for (auto const& [attempt, progress] : all)
      if (fetch->talk.waits_for(attempt)) own.emplace(attempt, progress);
    fetch->talk.progress(own);
    StatusLines status;
    for (auto const& [attempt, progress] : own) {
      if (status.lines.size() == control_list_max) break;
      if (fetch->columns > 0) status.lines.push_back(progress_line(progress, fetch->columns));
      if (own.size() == 1) status.plain = progress_line(progress, 120);
    }
    if (own.size() > 1) status.plain = std::to_string(own.size()) + " torrents are being acquired";
    if (!fetch->talk.json() && !own.empty()) socket_.answer(connection, status);
  }
}

void Orders::tell_stampings() {
  auto const now = std::chrono::steady_clock::now();
  std::erase_if(stampings_, [&](Stamping const& one) {
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(one.until - now);
    auto const standing = anchoring_.settled(left);
    if (!standing) return false;
    socket_.answer(one.connection, Out{text(*standing) + "\n"});
    socket_.end(one.connection, DoneOrder{standing->anchored ? 0u : 1u});
    return true;
  });
}

}  // namespace impound::agent
