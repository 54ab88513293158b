// impound show: one acquisition by info-hash, one object by SHA-256, or one entry by id; or the proof that the log has
// it.
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/acquisition_view.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "agent/work/record_view.h"
#include "agent/work/target.h"
#include "agent/work/waiting_attempt.h"
#include "evidence/formats/hex.h"
#include "evidence/tlog_proof.h"

namespace impound::agent {

using evidence::ReadEntry;

namespace {

struct ShowOptions {
  std::string what;
  bool json = false;
  bool proof = false;
};

std::string dumped(Json const& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// sha1 and md5 of an exhibit.sealed or exhibit.digested, where they are known.
void add_further_digests(Json& to, Json const& body) {
  for (char const* const name : {"sha1", "md5"})
    if (auto const digest = text_field(body, name)) to[name] = *digest;
}

/// Of an exhibit whose bytes are gone by order.
void add_erased(Json& to, ReadEntry const& by) {
  to["erased"] = true;
  to["erased_by"] = by.index;
}

/// What one acquisition's entries say, put together as they come.
struct Shown {
  EntryId attempt;
  InfoHashes hashes;
  std::string state = "waiting";
  std::optional<std::string> name_hex{}, reason{}, detail{}, file_list{}, swarm_record{}, torrent{};
  WaitingAttempt later{};
  std::optional<Sha256> file_list_object{};
  std::uint64_t uploaded = 0, downloaded = 0;
  Json files = Json::array();
  std::set<std::string> sealed_paths{};
};

class Acquired {
 public:
  explicit Acquired(InfoHashes const& wanted) : wanted_(wanted) {}

  void take(ReadEntry const& entry) {
    Json const& body = entry.body();
    if (auto const id = acquisition_of(entry, wanted_); id && find(*id) == nullptr)
      found_.push_back({*id, hashes_field(body)});
    if (entry.kind() == "exhibit.digested" && entry.of()) take_digests(*entry.of(), body);
    if (entry.kind() == "exhibit.erased") take_erasure(entry);
    Shown* const one = entry.of() ? find(*entry.of()) : nullptr;
    if (one == nullptr) return;
    one->later.take(entry);
    if (entry.kind() == "acquisition.metadata") {
      one->hashes = hashes_field(body);
      one->name_hex = text_field(body, "name_hex");
      one->torrent = text_field(body, "exhibit");
    } else if (entry.kind() == "exhibit.sealed") {
      take_exhibit(*one, entry);
    } else if (entry.kind() == "acquisition.result") {
      one->state = text_field(body, "state").value_or("failed");
      one->reason = text_field(body, "reason");
      one->detail = text_field(body, "detail");
      one->file_list = text_field(body, "file_list");
      one->swarm_record = text_field(body, "swarm_record");
      one->uploaded = count_field(body, "uploaded_payload_bytes").value_or(0);
      one->downloaded = count_field(body, "downloaded_payload_bytes").value_or(0);
    }
  }

  /// The complete one if there is one, else the newest.
  Shown const* best() const {
    for (auto one = found_.rbegin(); one != found_.rend(); ++one)
      if (one->state == "complete") return &*one;
    return found_.empty() ? nullptr : &found_.back();
  }

 private:
  Shown* find(EntryId const& attempt) {
    for (Shown& one : found_)
      if (one.attempt == attempt) return &one;
    return nullptr;
  }

  /// Digests that followed later, put to the file they are of.
  void take_digests(EntryId const& exhibit, Json const& body) {
    auto const place = files_.find(exhibit);
    if (place == files_.end()) return;
    Shown* const one = find(place->second.first);
    if (one != nullptr) add_further_digests(one->files[place->second.second], body);
  }

  void take_erasure(ReadEntry const& entry) {
    auto const exhibit = EntryId::parse(text_field(entry.body(), "exhibit").value_or(""));
    auto const place = exhibit ? files_.find(*exhibit) : files_.end();
    if (place == files_.end()) return;
    Shown* const one = find(place->second.first);
    if (one != nullptr) add_erased(one->files[place->second.second], entry);
  }

  void take_exhibit(Shown& one, ReadEntry const& entry) {
    Json const& body = entry.body();
    auto const role = text_field(body, "role");
    if (role == "file_list") one.file_list_object = digest_from_hex<Sha256>(text_field(body, "sha256").value_or(""));
    if (role != "payload" || !body.contains("origin")) return;
    Json const& origin = body["origin"];
    Json file{{"path", text_field(origin, "path").value_or("")},
              {"path_hex", text_field(origin, "path_hex").value_or("")},
              {"size", count_field(body, "size").value_or(0)},
              {"sha256", text_field(body, "sha256").value_or("")},
              {"sealed", true},
              {"exhibit", entry.id().text()}};
    add_further_digests(file, body);
    one.sealed_paths.insert(text_field(origin, "path_hex").value_or(""));
    files_.insert_or_assign(entry.id(), std::pair{one.attempt, one.files.size()});
    one.files.push_back(std::move(file));
  }

  InfoHashes wanted_;
  std::vector<Shown> found_;
  std::map<EntryId, std::pair<EntryId, std::size_t>> files_;  // by exhibit: its acquisition and place in `files`
};

/// Files of the torrent that are not sealed stand in the file list only.
void add_missing_files(Shown const& shown_one, Disk& vault, Json& files) {
  if (!shown_one.file_list_object) return;
  auto const lines = read_whole(vault, evidence::object_path(*shown_one.file_list_object), 256u << 20);
  if (!lines) return;
  std::istringstream in(lines.value());
  for (std::string text; std::getline(in, text);) {
    Json const line = Json::parse(text, nullptr, false);
    if (!line.is_object() || shown_one.sealed_paths.contains(text_field(line, "path_hex").value_or(""))) continue;
    files.push_back({{"path", text_field(line, "path").value_or("")},
                     {"path_hex", text_field(line, "path_hex").value_or("")},
                     {"size", count_field(line, "size").value_or(0)},
                     {"sealed", false}});
    for (char const* const key : {"part", "left_out", "symlink", "symlink_hex"})
      if (line.contains(key)) files.back()[key] = line[key];
  }
}

Json acquisition_json(Shown const& one, Disk& vault) {
  Json json{{"kind", "acquisition"},
            {"id", one.attempt.text()},
            {"state", one.state},
            {"uploaded_payload_bytes", one.uploaded},
            {"downloaded_payload_bytes", one.downloaded}};
  add_hashes(json, one.hashes);
  if (one.name_hex)
    if (auto const name = from_hex(*one.name_hex)) json["name"] = std::string(text_of(*name));
  if (one.reason) json["reason"] = *one.reason;
  if (one.detail) json["detail"] = *one.detail;
  one.later.add_to(json);
  if (one.later.waits()) json["waits"] = one.later.text();
  if (one.torrent) json["torrent"] = *one.torrent;
  if (one.file_list) json["file_list"] = *one.file_list;
  if (one.swarm_record) json["swarm_record"] = *one.swarm_record;
  Json files = one.files;
  add_missing_files(one, vault, files);
  json["files"] = std::move(files);
  return json;
}

Result<bool> show_acquisition(InfoHashes const& hashes, VaultReading& reading, bool json) {
  Acquired acquired{hashes};
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) { return index.of_torrent(hashes); }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    acquired.take(entry);
    return ok();
  }));
  Shown const* const best = acquired.best();
  if (best == nullptr) return false;
  Json const found = acquisition_json(*best, reading.vault->disk());
  if (json)
    std::printf("%s\n", dumped(found).c_str());
  else
    print_acquisition(found);
  return true;
}

Result<bool> show_object(Sha256 const& digest, VaultReading& reading, bool json) {
  Json exhibits = Json::array();
  Json further = Json::object(), erased = Json::object();
  std::uint64_t size = 0;
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) { return index.of_object(digest); }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    if (entry.kind() == "exhibit.erased") {
      for (Json& exhibit : exhibits) {
        if (exhibit["id"] != text_field(entry.body(), "exhibit").value_or("")) continue;
        add_erased(exhibit, entry);
        add_erased(erased, entry);
      }
      return ok();
    }
    bool const sealed = entry.kind() == "exhibit.sealed";
    if ((!sealed && entry.kind() != "exhibit.digested") || text_field(entry.body(), "sha256") != hex(digest))
      return ok();
    add_further_digests(further, entry.body());
    if (!sealed) return ok();
    erased = Json::object();  // the same bytes came again, and are there
    size = count_field(entry.body(), "size").value_or(0);
    exhibits.push_back({{"index", entry.index},
                        {"id", entry.id().text()},
                        {"role", text_field(entry.body(), "role").value_or("")},
                        {"origin", entry.body().contains("origin") ? entry.body()["origin"] : Json::object()},
                        {"utc", entry.utc()}});
    return ok();
  }));
  if (exhibits.empty()) return false;
  Json found{{"kind", "object"}, {"sha256", hex(digest)}, {"size", size}, {"exhibits", exhibits}};
  if (erased.empty()) found["path"] = evidence::object_path(digest);
  found.update(erased);
  found.update(further);
  std::printf("%s\n", dumped(found, json ? -1 : 2).c_str());
  return true;
}

/// Whether the bytes that an exhibit or a capture names are gone by order.
Result<Json> erasure_of(ReadEntry const& of, VaultReading& reading) {
  Json erased = Json::object();
  if (of.kind() != "exhibit.sealed" && of.kind() != "capture.result") return erased;
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) { return index.erasures_of(of.id()); }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    if (entry.kind() != "exhibit.erased") return ok();
    for (char const* const names : {"exhibit", "capture"})
      if (text_field(entry.body(), names) == of.id().text()) add_erased(erased, entry);
    return ok();
  }));
  return erased;
}

Result<bool> show_entry(EntryId const& id, VaultReading& reading, bool json) {
  IMPOUND_TRY(found, reading.find(id));
  if (!found) return false;
  IMPOUND_TRY(erased, erasure_of(found->entry, reading));
  auto const index = static_cast<unsigned long long>(found->entry.index);
  auto const by = count_field(erased, "erased_by");
  std::string const gone = by ? "\"erased\":true,\"erased_by\":" + std::to_string(*by) + "," : "";
  if (json)
    std::printf("{\"entry\":%s,%s\"index\":%llu,\"kind\":\"entry\"}\n", found->bytes.c_str(), gone.c_str(), index);
  else
    std::printf("entry %llu%s\n%s\n", index, erased_text(erased).c_str(), dumped(found->entry.json, 2).c_str());
  return true;
}

/// What WHAT can mean; a word of 64 hex digits may be an object and a torrent.
struct Wanted {
  std::optional<EntryId> id;
  std::optional<Sha256> object;
  std::optional<InfoHashes> torrent;
};

Result<bool> show_wanted(Wanted const& wanted, VaultReading& reading, bool json) {
  IMPOUND_TRY(record_shown, show_record(wanted.id, wanted.object, reading, json));
  if (record_shown) return true;
  if (wanted.id) {
    IMPOUND_TRY(entry_shown, show_entry(*wanted.id, reading, json));
    if (entry_shown) return true;
  }
  // A v2 info-hash is the SHA-256 of an info dict, which lies in the vault as an object, too: the torrent is meant.
  if (wanted.torrent) {
    IMPOUND_TRY(torrent_shown, show_acquisition(*wanted.torrent, reading, json));
    if (torrent_shown) return true;
  }
  if (!wanted.object) return false;
  return show_object(*wanted.object, reading, json);
}

/// The entry that a proof is about: the entry itself, the newest result of the torrent's acquisitions (while there is
/// none, the newest entry that names the torrent), or the object's first exhibit.
class EntryToProve {
 public:
  explicit EntryToProve(Wanted const& wanted) : wanted_(wanted) {}

  void take(ReadEntry const& entry) {
    if (wanted_.id && entry.id() == *wanted_.id && !by_id_) by_id_ = entry.index;
    bool const seal_of_it =
        wanted_.object && entry.kind() == "exhibit.sealed" && entry.text("sha256") == hex(*wanted_.object);
    if (seal_of_it && !by_object_) by_object_ = entry.index;
    if (wanted_.torrent) take_torrent(entry);
  }
  std::optional<std::uint64_t> index() const {
    if (by_id_) return by_id_;
    if (by_result_) return by_result_;
    return by_attempt_ ? by_attempt_ : by_object_;
  }

 private:
  void take_torrent(ReadEntry const& entry) {
    if (auto const id = acquisition_of(entry, *wanted_.torrent)) {
      attempts_.insert(*id);
      by_attempt_ = entry.index;
    }
    if (entry.kind() == "acquisition.result" && entry.of() && attempts_.contains(*entry.of())) by_result_ = entry.index;
  }

  Wanted wanted_;
  std::set<EntryId> attempts_;
  std::optional<std::uint64_t> by_id_, by_result_, by_attempt_, by_object_;
};

Result<index::Places> places_of(Wanted const& wanted, index::Index& index) {
  index::Places by_id, by_object, by_torrent;
  IMPOUND_TRY(place, wanted.id ? index.entry(*wanted.id) : std::optional<std::uint64_t>{});
  if (place) by_id = {*place};
  if (wanted.object) {
    IMPOUND_TRY(places, index.of_object(*wanted.object));
    by_object = std::move(places);
  }
  if (wanted.torrent) {
    IMPOUND_TRY(places, index.of_torrent(*wanted.torrent));
    by_torrent = std::move(places);
  }
  return index::joined({by_id, by_object, by_torrent});
}

Result<bool> print_proof(Wanted const& wanted, VaultReading& reading) {
  EntryToProve entry_to_prove{wanted};
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) { return places_of(wanted, index); }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    entry_to_prove.take(entry);
    return ok();
  }));
  auto const index = entry_to_prove.index();
  if (!index) return false;
  IMPOUND_TRY(proof, evidence::make_tlog_proof(*reading.log, *index));
  std::string const text = evidence::tlog_proof_text(proof);
  std::fwrite(text.data(), 1, text.size(), stdout);  // main flushes and judges stdout as a whole
  return true;
}

/// What is told of something that the log does not name: perhaps it did, and a later entry says that it was erased.
Result<void> not_named(Wanted const& wanted, std::string const& what, VaultReading& reading) {
  Error error{Code::not_found, "the vault's log does not name this", what.substr(0, 120),
              "`impound log` prints what there is"};
  if (!wanted.id) return error;
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) { return index.erasures_of(*wanted.id); }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    if (entry.kind() == "entry.erased" && text_field(entry.body(), "entry") == wanted.id->text())
      error = {Code::not_found, "this entry was erased by order", what.substr(0, 120),
               "impound show " + entry.id().text() + " says on whose"};
    return ok();
  }));
  return error;
}

Result<void> run(ShowOptions const& options, Invocation& invocation) {
  std::string const& what = options.what;
  Wanted const wanted{EntryId::parse(what), digest_from_hex<Sha256>(what), named_torrent(what)};
  if (!wanted.id && !wanted.object && !wanted.torrent)
    return Error{Code::usage, "no id of an entry, SHA-256 or info-hash", what.substr(0, 120),
                 "`impound log` prints what there is"};
  if (options.proof && options.json)
    return Error{Code::usage, "a proof has one form", "--json", "Give --proof or --json"};
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(found, options.proof ? print_proof(wanted, reading) : show_wanted(wanted, reading, options.json));
  return found ? ok() : not_named(wanted, what, reading);
}

}  // namespace

void add_show(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<ShowOptions>();
  CommandLine command = program.command("show", "shows an acquisition, an object or an entry", [options, &invocation] {
    invocation.chosen = [options, &invocation] {
      if (auto done = run(*options, invocation); !done) return tell(done.error());
      return ExitCode::done;
    };
  });
  command.option("WHAT", options->what, "info-hash, SHA-256 of an object, or id of an entry",
                 CommandLine::Need::required);
  command.flag("--json", options->json, "one object; of a swarm record one a line");
  command.flag("--proof", options->proof,
               "prints the proof that the log has it: a C2SP .tlog-proof, which `impound verify` checks alone");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
