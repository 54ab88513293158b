#include "agent/work/session.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pwd.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/work/network_namespace.h"
#include "agent/work/places.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/log_reader.h"
#include "evidence/open_file_hash.h"
#include "evidence/reserve.h"
#include "evidence/start_recovery.h"
#include "evidence/system/clock.h"
#include "evidence/verify/verdict.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr std::uint64_t publish_bytes_min = 1024 * 1024;
constexpr std::uint64_t start_bytes_min = 4 * 1024 * 1024;
// So much more than that and the reserve together that the log does not fill up with a disk that is now full, now not.
constexpr std::uint64_t room_again_bytes = 32 * 1024 * 1024;

std::string login_name(uid_t uid) {
  passwd const* const account = ::getpwuid(uid);
  return account != nullptr ? account->pw_name : "uid-" + std::to_string(uid);
}

Result<std::string> digest_of_file(std::string const& path) {
  FilePlace const place = file_place(path);
  IMPOUND_TRY(folder, LinuxDisk::open_at(place.folder));
  IMPOUND_TRY(file, DiskFile::open(*folder, place.name, Open::read));
  IMPOUND_TRY(facts, file.facts());
  std::vector<std::byte> block(1024 * 1024);
  IMPOUND_TRY(hashed, evidence::hash_open_file(file, facts.size, block));
  return hex(hashed.sha256);
}

Json started_body(std::string const& command) {
  utsname host{};
  ::uname(&host);
  Json body{{"program", "impound"},
            {"version", IMPOUND_VERSION},
            {"command", command},
            {"pid", ::getpid()},
            {"kernel", std::string(host.sysname) + " " + host.release + " " + host.machine},
            {"libraries",
             {{"curl", ::curl_version_info(CURLVERSION_NOW)->version},
              {"openssl", ::OpenSSL_version(OPENSSL_VERSION_STRING)}}}};
  // Without /proc there is no way to say which binary runs; the entry then says nothing rather than something untrue.
  if (auto digest = digest_of_file(own_program())) body["binary_sha256"] = std::move(digest).value();
  return body;
}

/// What the vault's WARC files say of themselves: never a login name, unless the operator is called so.
evidence::WarcOrigin warc_origin(Settings const& settings, evidence::VaultIdentity const& vault) {
  utsname host{};
  ::uname(&host);
  return {"impound/" IMPOUND_VERSION, settings.operator_name, host.nodename, vault.origin};
}

/// Waits a moment for a writer to let go of a file; the sealing calls it between its tries for the lease.
void pause_for_lease() { ::poll(nullptr, 0, 1000); }

}  // namespace

std::string state_folder(evidence::VaultIdentity const& identity) {
  return user_folder("XDG_STATE_HOME", ".local/state") + "/impound/" + identity.short_name();
}

std::string service_state_folder(evidence::VaultIdentity const& identity) {
  return "/var/lib/impound/" + identity.short_name();
}

std::string vault_folder(Settings const& settings) {
  if (!settings.vault.empty()) return settings.vault;
  return user_folder("XDG_DATA_HOME", ".local/share") + "/impound/vault";
}

Error with_init_hint(Error error, Settings const& settings) {
  if (error.code != Code::not_found || error.where.rfind(vault_folder(settings), 0) != 0) return error;
  std::string const folder = vault_folder(settings);
  return Error{Code::usage, "there is no vault", folder, "Make one: impound init --vault " + folder + " --origin NAME"};
}

Result<void> make_process_folder(std::string const& path) {
  for (std::size_t end = 1; end != std::string::npos;) {
    end = path.find('/', end);
    std::string const part = path.substr(0, end);
    if (!part.empty() && ::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return from_errno(errno, "cannot make the folder", part);
    if (end != std::string::npos) ++end;
  }
  return ok();
}

evidence::By who(Settings const& settings) { return who(::getuid(), settings.operator_name); }

evidence::By who(uid_t uid, std::string const& operator_name) {
  std::string const login = login_name(uid);
  return {login, operator_name.empty() ? login : operator_name, uid};
}

Result<std::unique_ptr<Session>> Session::open(Settings const& settings, std::string const& command, Clock& clock,
                                               Randomness& randomness, std::string const& accept_rollback,
                                               std::string const& passphrase_file) {
  std::unique_ptr<Session> session{new Session(clock, randomness)};
  IMPOUND_TRY(vault, evidence::Vault::open_for_writing(vault_folder(settings)));
  IMPOUND_CHECK(inside_network_namespace(settings.require_netns));  // before anything is written or sent
  session->vault_ = std::move(vault);
  evidence::VaultIdentity const& identity = session->vault_->identity();

  std::string const state = state_folder(identity);
  IMPOUND_CHECK(make_process_folder(state));
  IMPOUND_TRY(state_disk, LinuxDisk::open_at(state));
  session->state_ = std::move(state_disk);
  // Copies of one vault share this memory, each with a lock of its own: compare-and-swap needs the memory's lock, too.
  if (::flock(session->state_->folder(), LOCK_EX | LOCK_NB) != 0)
    return Error{Code::held, "another copy of this vault is in use", state,
                 "Wait for it, or stop it; two copies of a vault must never both be written to"};

  IMPOUND_CHECK(session->load_keys(settings, passphrase_file));
  IMPOUND_CHECK(session->open_copies(settings));

  // What an earlier run has in its journal must come under a signature before anything else: a full disk gets its
  // reserve back.
  if (auto const free = session->disk().free_bytes(); free && free.value() < start_bytes_min)
    evidence::release_reserve(session->disk());
  IMPOUND_TRY(log, session->open_log(accept_rollback));
  std::uint64_t const recovered_entries = log->recovered_entries();
  IMPOUND_CHECK(session->read_past(session->vkey_));
  auto const digests = settings.all_digests ? evidence::SealWith::sha256_sha1_md5 : evidence::SealWith::sha256;
  IMPOUND_CHECK(session->start_recording(command, std::move(log), digests));
  IMPOUND_CHECK(session->tell_of_rollback(who(settings)));
  IMPOUND_CHECK(session->recover(recovered_entries));
  IMPOUND_CHECK(session->close_left_warcs());
  session->warc_origin_ = warc_origin(settings, identity);
  IMPOUND_CHECK(session->record_settings(settings));
  return session;
}

Result<void> Session::read_past(std::string const& vkey) {
  IMPOUND_TRY(reader, evidence::LogReader::open(disk(), vkey));
  past_entries_ = reader.checkpoint().size;
  return reader.each(0, reader.checkpoint().size, [this](std::uint64_t index, std::string_view bytes) -> Result<void> {
    if (bytes.empty()) {
      erasures_.take_blank(index);
      return ok();
    }
    IMPOUND_TRY(entry, evidence::read_entry(index, bytes));
    past_.take(entry);
    erasures_.take(entry);
    return ok();
  });
}

Result<void> Session::start_recording(std::string const& command, std::unique_ptr<evidence::CustodyLog> log,
                                      evidence::SealWith digests) {
  evidence::EntryMaker maker{clock_, randomness_};
  EntryId const id = new_id();
  maker.session(id);
  recorder_ = std::make_unique<Recorder>(std::move(log), std::move(maker), evidence::ClockSteps{clock_},
                                         Recorder::Room{[this] {
                                                          auto const free = disk().free_bytes();
                                                          return !free || free.value() >= publish_bytes_min;
                                                        },
                                                        [this] { evidence::release_reserve(disk()); }});
  sealing_ = std::make_unique<evidence::Sealing>(
      disk(), ::getuid(),
      [this](std::vector<EntryDraft> drafts) -> Result<void> {
        std::vector<EntryDraft> const sealed = drafts;
        IMPOUND_CHECK(recorder_->record(std::move(drafts)));
        for (EntryDraft const& draft : sealed) past_.note_sealed(draft.body, *draft.id);
        return ok();
      },
      pause_for_lease, evidence::SealingLimits{}, digests);
  IMPOUND_CHECK(recorder_->record(EntryDraft{"agent.started", started_body(command), {}, {}, {}, {}, id}));
  return ok();
}

Result<void> Session::incident(std::string const& what, std::string const& where, std::string const& detail) {
  Json body{{"what", what}, {"where", where}};
  if (!detail.empty()) body["detail"] = detail;
  IMPOUND_CHECK(recorder_->record(EntryDraft{"incident.raised", std::move(body), {}, {}, {}, {}, {}}));
  return ok();
}

/// What carrying the sealing plans on could not keep is never silent.
Result<void> Session::tell_of_sealing() {
  for (evidence::SealedFile const& file : sealing_->recovery().refused)
    IMPOUND_CHECK(incident("a file of a sealing plan could not be sealed after a crash",
                           evidence::printable(file.staged_path), file.refused ? line(*file.refused) : ""));
  return ok();
}

/// The reserve is there again, and the log knows that there is room.
Result<void> Session::keep_reserve() {
  IMPOUND_CHECK(evidence::make_reserve(disk()));
  auto const free = disk().free_bytes();
  if (!past_.disk_full() || !free || free.value() < start_bytes_min) return ok();
  return recorder_->tell_room(free.value());
}

Result<void> Session::look_for_room() {
  if (!recorder_->disk_full_told()) return ok();
  auto const free = disk().free_bytes();
  if (!free || free.value() < room_again_bytes) return ok();
  IMPOUND_CHECK(evidence::make_reserve(disk()));
  return recorder_->tell_room(free.value());
}

void Session::disk_full(std::string const& doing) {
  if (auto const free = disk().free_bytes(); !free || free.value() < start_bytes_min) evidence::release_reserve(disk());
  // What cannot be told now is told by the disk itself at the next start.
  (void)recorder_->tell_disk_full(doing);
}

/// Everything that a crash may have left half done, in DESIGN's order; the same steps find nothing after a clean stop.
Result<void> Session::recover(std::uint64_t recovered_entries) {
  IMPOUND_TRY(recorded, sealing_->recover([this](EntryId const& exhibit) { return past_.logged(exhibit); }));
  std::size_t const plans = sealing_->recovery().plans;
  IMPOUND_CHECK(tell_of_sealing());
  if (recorded > 0) {
    // The plans' exhibits are entries now, and the past must know their objects before anything is set aside.
    IMPOUND_CHECK(read_past_again());
  }
  IMPOUND_TRY(warcs, evidence::settle_unlogged(disk(), past_.warcs(), [this](EntryId const& attempt) {
                return past_.open_captures().contains(attempt);
              }));
  for (evidence::SetAsideTail const& tail : warcs.set_aside)
    IMPOUND_CHECK(incident("bytes of a WARC file that no entry names were set aside", evidence::printable(tail.file),
                           std::to_string(tail.bytes) + " bytes from " + std::to_string(tail.offset)));
  // Before what nothing names is set aside: what is ordered gone must not be kept in staging/torn.
  IMPOUND_TRY(erased, carry_out_erasures());
  IMPOUND_TRY(report, evidence::set_aside_unnamed(disk(), {past_.objects().begin(), past_.objects().end()}));
  std::vector<std::string> const& objects = report.objects;
  for (std::string const& name : objects)
    IMPOUND_CHECK(incident("an object that no entry names was set aside", name, ""));
  IMPOUND_TRY(stamps, evidence::set_aside_unnamed_timestamps(disk(), past_.stamping()));
  for (std::string const& name : stamps)
    IMPOUND_CHECK(incident("a file of a time-stamp that no entry names was set aside", evidence::printable(name), ""));

  Json attempts = Json::array();
  std::size_t const open =
      past_.open_acquisitions().size() + past_.open_captures().size() + past_.stamping().open().size();
  for (auto const& [id, attempt] : past_.open_acquisitions())
    if (attempts.size() < entry_list_max) attempts.push_back(id.text());
  for (auto const& [id, capture] : past_.open_captures())
    if (attempts.size() < entry_list_max) attempts.push_back(id.text());
  for (auto const& [id, stamping] : past_.stamping().open())
    if (attempts.size() < entry_list_max) attempts.push_back(id.text());
  if (open == 0 && recovered_entries == 0 && plans == 0 && objects.empty() && warcs.set_aside.empty())
    return keep_reserve();

  std::uint64_t warc_bytes = 0;
  for (evidence::SetAsideTail const& tail : warcs.set_aside) warc_bytes += tail.bytes;
  Json body{{"open_attempts", open},
            {"attempts", attempts},
            {"entries", recovered_entries},
            {"sealing_plans", plans},
            {"objects_set_aside", objects.size()},
            {"warc_bytes_set_aside", warc_bytes}};
  if (!warcs.adopted.empty()) body["captures_adopted"] = warcs.adopted.size();
  IMPOUND_TRY(recovered, recorder_->record(EntryDraft{"agent.recovered", std::move(body), {}, {}, {}, {}, {}}));
  IMPOUND_CHECK(close_open_captures(recovered, warcs));
  if (!past_.open_acquisitions().empty())
    remarks_.push_back(std::to_string(past_.open_acquisitions().size()) +
                       " acquisition(s) of an earlier run are still open");
  if (plans + recovered_entries > 0)
    remarks_.push_back("the last run ended without closing the vault: what it had acknowledged was brought in");
  if (!warcs.adopted.empty())
    remarks_.push_back(std::to_string(warcs.adopted.size()) +
                       " capture(s) of the last run were whole in their WARC file and were adopted");
  if (erased > 0) remarks_.push_back("an erasure that was ordered was carried out to its end");
  return keep_reserve();
}

Result<void> Session::read_past_again() {
  IMPOUND_CHECK(recorder_->publish());
  past_ = Past{};
  erasures_ = {};
  return read_past(vkey_);
}

/// A capture that a crash cut is closed with what is known of it; the next poll starts a new attempt.
Result<void> Session::close_open_captures(EntryId const& recovered, evidence::SettledWarcs const& warcs) {
  std::map<EntryId, OpenCapture> open = past_.open_captures();
  auto const close = [&](EntryId const& attempt, Json result) -> Result<void> {
    std::optional<CaseName> const of_case = open.at(attempt).case_name;
    open.erase(attempt);
    IMPOUND_CHECK(
        recorder_->record(EntryDraft{"capture.result", std::move(result), of_case, recovered, attempt, {}, {}}));
    return ok();
  };
  for (evidence::AdoptedCapture const& adopted : warcs.adopted) {
    Json result = adopted.result;
    result["kept"] = result["recovered"] = true;
    result["records"] = Json::array();
    for (evidence::WrittenRecord const& record : adopted.records)
      result["records"].push_back(evidence::to_json(record));
    IMPOUND_CHECK(close(adopted.attempt, std::move(result)));
  }
  while (!open.empty()) {
    auto const& [attempt, capture] = *open.begin();
    IMPOUND_CHECK(close(
        EntryId(attempt),
        {{"outcome", "interrupted"}, {"url", text_field(capture.body, "url").value_or("unknown")}, {"kept", false}}));
  }
  // Their files end elsewhere now, and have more records.
  return warcs.adopted.empty() ? Result<void>(ok()) : read_past_again();
}

/// What an earlier run ordered gone and did not come to destroy; gives how much that was.
Result<std::size_t> Session::carry_out_erasures() {
  if (erasures_.empty()) return std::size_t{0};
  IMPOUND_TRY(reader, evidence::LogReader::open(disk(), vkey_));
  IMPOUND_TRY(done, evidence::carry_out(disk(), reader, erasures_));
  for (Error const& failed : done.failed)
    IMPOUND_CHECK(incident("what is ordered erased could not be destroyed",
                           failed.where.empty() ? "vault" : evidence::printable(failed.where.substr(0, 500)),
                           evidence::printable(line(failed).substr(0, 500))));
  return done.objects + done.files + done.entries;
}

Result<void> Session::record_settings(Settings const& settings) {
  std::string const text = effective_text(settings);
  std::string const digest = hex(sha256(bytes_of(text)));
  if (digest == past_.settings_sha256()) return ok();
  EntryId const exhibit = new_id();
  EntryDraft draft{"exhibit.sealed",
                   {{"role", "settings"}, {"media_type", "application/toml"}, {"origin", {{"type", "agent"}}}},
                   {},
                   {},
                   {},
                   {},
                   exhibit};
  IMPOUND_TRY(sealed, sealing_->seal_bytes(bytes_of(text), std::move(draft)));
  if (sealed.refused) return *sealed.refused;
  IMPOUND_CHECK(recorder_->record(
      EntryDraft{"settings.loaded", {{"sha256", digest}, {"exhibit", exhibit.text()}}, {}, {}, {}, {}, {}}));
  return ok();
}

Result<void> Session::close(std::string const& reason) {
  if (closed_) return ok();
  closed_ = true;
  auto const said = recorder_->record(EntryDraft{"agent.stopped", {{"reason", reason}}, {}, {}, {}, {}, {}});
  auto const stopped = recorder_->stop();
  if (!said) return said.error();
  return stopped;
}

Session::~Session() {
  if (recorder_) (void)close("error");
}

}  // namespace impound::agent
