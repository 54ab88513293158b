#include "tests/property/evidence/whole_life.h"

#include <algorithm>
#include <utility>

#include "evidence/checkpoint.h"
#include "tests/support/test_key.h"

namespace impound::evidence {

namespace {

EntryDraft exhibit_named(char const* path, EntryId const& id) {
  return {.kind = "exhibit.sealed", .body = {{"path", path}}, .id = id};
}

TimestampAuthority const& asked_authority() {
  static TimestampAuthority const made = life_authority().authority();
  return made;
}

/// The same query gets the same bytes.
Result<std::string> reply_to(TimestampAuthority const&, std::string_view query) {
  static std::map<std::string, std::string, std::less<>> replies;
  auto found = replies.find(query);
  if (found == replies.end()) found = replies.emplace(query, life_authority().made.reply(query)).first;
  return found->second;
}

}  // namespace

// --- what holds around every step

Result<void> Life::answered(Step const& step) {
  std::size_t const before = disk_.steps();
  auto done = step();
  std::size_t const at = plan_.step;
  bool const here = at > before && at <= disk_.steps() && !disk_.is_off();
  if (!here || plan_.fault == Fault::none) return done;
  std::string const& failed = disk_.trace()[at - 1];
  // Nothing waits for a copy of the last checkpoint: what fails there is told of.
  bool const copy = failed == "sync_folder c" || failed.find(" c/") != std::string::npos;
  if (!failed.starts_with("sync") || copy) return done;
  ++ledger_.failed_syncs;
  if (done) ledger_.wrong.push_back("a failed sync was answered with success: " + failed);
  return done;
}

/// What the log is given, and what it says to that.
Result<void> Life::through_log(std::vector<std::string> const& entries, Step const& call) {
  std::uint64_t const first = log_->size();
  for (std::size_t i = 0; i < entries.size(); ++i) ledger_.attempted[first + i].insert(entries[i]);
  auto done = answered(call);
  if (!done) {
    if (!disk_.is_off() && done.error().code != Code::refused) ask_again();
    return done;
  }
  for (std::size_t i = 0; i < entries.size(); ++i) ledger_.acknowledged[first + i] = entries[i];
  if (log_->published_size() == log_->size()) ledger_.published.push_back(disk_.content("v/log/checkpoint"));
  return done;
}

/// A failure of the log's is final: nothing more is acknowledged in this life, nothing more is tried.
void Life::ask_again() {
  ++ledger_.poisoned;
  std::size_t const before = disk_.steps();
  std::string const entry = "what a stopped log is asked to take";
  if (!log_->poisoned()) ledger_.wrong.push_back("the log goes on after a failure");
  if (log_->append(std::span{&entry, 1})) ledger_.wrong.push_back("a stopped log acknowledged an entry");
  if (log_->publish()) ledger_.wrong.push_back("a stopped log published");
  if (disk_.steps() != before) ledger_.wrong.push_back("a stopped log went on writing");
}

Result<void> Life::record(std::vector<EntryDraft> const& drafts) {
  std::vector<std::string> entries;
  for (EntryDraft const& draft : drafts) {
    IMPOUND_TRY(entry, maker_.make(draft));
    for (char const* name : {"path", "text"})
      if (draft.body.contains(name)) index_of_[draft.body[name].get<std::string>()] = log_->size() + entries.size();
    if (draft.kind == "exhibit.sealed")
      objects_.push_back(*digest_from_hex<Sha256>(draft.body["sha256"].get<std::string>()));
    entries.push_back(entry.bytes);
  }
  return through_log(entries, [&]() -> Result<void> {
    IMPOUND_CHECK(log_->append(entries));
    return ok();
  });
}

Result<void> Life::publish() {
  return through_log({}, [this] { return log_->publish(); });
}

// --- created, and started

Result<void> Life::create() {
  return answered([this]() -> Result<void> {
    static SigningKey const& first_key = test_key();
    IMPOUND_TRY(identity, VaultIdentity::make(TestVault::origin, first_vkey(), "2017-05-05T18:00:00.000000Z"));
    IMPOUND_TRY(first, maker_.make({.kind = "vault.created", .body = identity.created_body()}));
    ledger_.attempted[0].insert(first.bytes);
    IMPOUND_CHECK(CustodyLog::create(*vault_, *state_, first_key, TestVault::origin, first.bytes));
    IMPOUND_CHECK(write_whole(*vault_, "vault.toml", bytes_of(identity.toml), Replace::no));
    ledger_.created = true;
    ledger_.acknowledged[0] = first.bytes;
    return ok();
  });
}

Result<void> Life::start() {
  return answered([this]() -> Result<void> {
    IMPOUND_CHECK(keys_.load({}));
    LogKeys const at_hand{&keys_.current(), keys_.next(), first_public_key()};
    IMPOUND_TRY(opened, CustodyLog::open(*vault_, *state_, at_hand, TestVault::origin, Rollback::refuse, &copies_));
    log_ = std::move(opened);
    IMPOUND_CHECK(keys_.settle(log_->keys().newest()));
    IMPOUND_CHECK(read_past());
    EntryId const session = EntryId::make(clock_, randomness_);
    IMPOUND_CHECK(record({{.kind = "agent.started", .body = {{"version", "0.1.0"}}, .id = session}}));
    maker_.session(session);
    return recover();
  });
}

Result<void> Life::read_past() {
  logged_.clear();
  objects_.clear();
  warcs_ = {};
  orders_ = {};
  stamping_ = {};
  IMPOUND_TRY(reader, read_log());
  return reader.each(0, reader.checkpoint().size, [this](std::uint64_t index, std::string_view bytes) -> Result<void> {
    if (bytes.empty()) {
      orders_.take_blank(index);
      return ok();
    }
    IMPOUND_TRY(entry, read_entry(index, bytes));
    return take_past(entry);
  });
}

Result<void> Life::take_past(ReadEntry const& entry) {
  logged_.insert(entry.id());
  orders_.take(entry);
  stamping_.take(entry);
  if (entry.kind() == "exhibit.sealed") objects_.push_back(*digest_from_hex<Sha256>(*entry.text("sha256")));
  warcs_.take(entry);
  return ok();
}

/// The order of the agent's recovery.
Result<void> Life::recover() {
  sealing_ = std::make_unique<Sealing>(*vault_, SimulatedDisk::owner,
                                       [this](std::vector<EntryDraft> const& drafts) { return record(drafts); });
  IMPOUND_TRY(recorded, sealing_->recover([this](EntryId const& id) { return logged_.contains(id); }));
  if (recorded > 0) {
    IMPOUND_CHECK(publish());
    IMPOUND_CHECK(read_past());
  }
  IMPOUND_CHECK(settle_unlogged(*vault_, warcs_, [](EntryId const&) { return false; }));
  IMPOUND_TRY(reader, read_log());
  IMPOUND_TRY(done, carry_out(*vault_, reader, orders_));
  if (!done.failed.empty()) return done.failed.front();
  IMPOUND_TRY(report, set_aside_unnamed(*vault_, objects_));
  if (!report.objects.empty())
    ledger_.wrong.push_back("a crash left an object that nothing names: " + report.objects[0]);
  IMPOUND_TRY(stamps, set_aside_unnamed_timestamps(*vault_, stamping_));
  // Kept before the attempt that names it; a crash in between leaves it alone.
  for (std::string const& path : stamps)
    if (!path.starts_with("log/checkpoints/")) ledger_.wrong.push_back("a crash left what nothing names: " + path);
  for (auto const& [id, asked] : stamping_.open()) IMPOUND_CHECK(finish(id, asked));
  IMPOUND_TRY(writer, WarcWriter::open(*vault_, clock_, randomness_, {"impound/test"}, warcs_));
  warc_ = std::move(writer);
  return ok();
}

// --- work

Result<void> Life::seal() {
  return answered([this]() -> Result<void> {
    std::vector<ToSeal> files;
    for (auto const& [name, bytes] : {std::pair{"secret", secret_object}, std::pair{"kept", "kept bytes"}})
      files.push_back({std::string("staging/swarm/a/") + name,
                       std::string_view(bytes).size(),
                       {},
                       exhibit_named(name, EntryId::make(clock_, randomness_))});
    IMPOUND_TRY(sealed, sealing_->seal(files));
    for (SealedFile const& file : sealed)
      if (file.refused) return *file.refused;
    return ok();
  });
}

Result<void> Life::capture() {
  return answered([this]() -> Result<void> {
    WarcRecord const response{
        "response", {}, "http://paste.example/1", clock_.utc_us(), {}, "HTTP/1.1 200 OK\r\n\r\na paste", {}};
    EntryId const attempt = EntryId::make(clock_, randomness_);
    IMPOUND_CHECK(record({{.kind = "capture.attempt", .body = {{"url", response.target_uri}}, .id = attempt}}));
    IMPOUND_TRY(written, warc_->write({&response, 1}));
    Json records = Json::array();
    for (WrittenRecord const& one : written) records.push_back(to_json(one));
    return record({{.kind = "capture.result", .body = {{"records", records}}, .of = attempt}});
  });
}

Result<void> Life::note(std::string const& text) { return record({{.kind = "note.added", .body = {{"text", text}}}}); }

Result<void> Life::timestamp() {
  return answered([this]() -> Result<void> {
    IMPOUND_CHECK(publish());
    IMPOUND_TRY(note, read_whole(*vault_, log_checkpoint_path, note_bytes_max));
    Checkpoint const over = log_->checkpoint();
    IMPOUND_CHECK(keep_checkpoint(*vault_, over.size, note));
    EntryId const attempt = EntryId::make(clock_, randomness_);
    std::vector const authorities{asked_authority()};
    Json const body = attempt_body(over.size, over.root, note, 1, authorities);
    IMPOUND_CHECK(record({{.kind = "timestamp.attempt", .body = body, .id = attempt}}));
    IMPOUND_TRY(asked, attempt_from_json(body));
    return finish(attempt, asked);
  });
}

/// A token that is there of an earlier life must pass: it was durable before it had its name.
Result<void> Life::finish(EntryId attempt, StampingAttempt const& asked) {
  IMPOUND_TRY(note, read_whole(*vault_, asked.checkpoint.file, note_bytes_max));
  IMPOUND_TRY(kept, kept_token(*vault_, asked_authority(), asked.size, note));
  if (!kept) {
    IMPOUND_TRY(stamped,
                stamp(*vault_, asked_authority(), asked.size, note, reply_to, life_authority().fetch(), randomness_));
    kept = std::move(stamped);
  }
  return record({{.kind = "timestamp.result", .body = result_body(asked, {*kept}, {}, {}), .of = attempt}});
}

Result<void> Life::rotate() {
  return answered([this]() -> Result<void> {
    IMPOUND_CHECK(publish());
    IMPOUND_CHECK(keys_.write_next(make_test_key(second_fill), randomness_, nullptr));
    Json const body = rotation_body(log_->signing_key(), *keys_.next(), log_->checkpoint(), "");
    IMPOUND_TRY(entry, maker_.make({.kind = "key.rotated", .body = body}));
    IMPOUND_CHECK(through_log({entry.bytes}, [&] { return log_->rotate(entry.bytes, *keys_.next()); }));
    ledger_.rotated = true;
    IMPOUND_CHECK(keys_.settle(log_->keys().newest()));
    return ok();
  });
}

Result<void> Life::erase() {
  return answered([this]() -> Result<void> {
    if (!index_of_.contains("secret") || !index_of_.contains(secret_note))
      return Error{Code::not_found, "nothing to erase", {}, {}};
    ErasureOrder const order{{index_of_["secret"]},
                             {index_of_[secret_note]},
                             "Court of X, 17/2017",
                             "contraband",
                             {"user", "A. Noone", 1000}};
    IMPOUND_CHECK(publish());
    if (destroy_first_) return destroy_then_record(order);
    ErasureLog const ways{[this] { return read_log(); },
                          [this](std::vector<EntryDraft> const& drafts) { return record(drafts); },
                          [this] { return publish(); }};
    IMPOUND_TRY(done, evidence::erase(*vault_, ways, order));
    if (!done.failed.empty()) return done.failed.front();
    ledger_.erased = true;
    return ok();
  });
}

/// What erase() must never be: the bytes go, then the log is told.
Result<void> Life::destroy_then_record(ErasureOrder const& order) {
  IMPOUND_TRY(reader, read_log());
  IMPOUND_TRY(drafts, plan_erasure(*vault_, reader, order));
  std::vector<std::string> entries;
  OrderedErasures ordered;
  for (EntryDraft const& draft : drafts) {
    IMPOUND_TRY(made, maker_.make(draft));
    IMPOUND_TRY(entry, read_entry(log_->size() + entries.size(), made.bytes));
    ordered.take(entry);
    entries.push_back(made.bytes);
  }
  IMPOUND_CHECK(carry_out(*vault_, reader, ordered));
  IMPOUND_CHECK(log_->append(entries));
  return log_->publish();
}

Result<void> Life::stop() {
  IMPOUND_CHECK(record({{.kind = "agent.stopped"}}));
  return publish();
}

Result<void> Life::go_on() {
  return answered([this]() -> Result<void> {
    IMPOUND_CHECK(sealing_->seal_bytes(bytes_of(std::string_view("a later list")),
                                       exhibit_named("later", EntryId::make(clock_, randomness_))));
    return stop();
  });
}

bool Life::whole() {
  if (!create() || !start()) return false;
  bool all = true;
  for (Step const& step :
       {Step([this] { return seal(); }), Step([this] { return capture(); }), Step([this] { return note(secret_note); }),
        Step([this] { return timestamp(); }), Step([this] { return rotate(); }), Step([this] { return erase(); }),
        Step([this] { return note("after all of it"); })}) {
    if (step()) continue;
    all = false;
    if (disk_.is_off() || !step()) break;
  }
  return !disk_.is_off() && stop() && all;
}

}  // namespace impound::evidence
