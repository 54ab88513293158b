// impound import: bytes that somebody handed over become exhibits. The original is read and stays as it is.
//
// The order in the log: exhibit.imported (who handed it over, from where, what was found there), then exhibit.sealed a
// file, each with that entry as its cause. Each file is copied into staging/import, the original is hashed as it is
// read, and sealing hashes the copy again: both digests stand in the entry, and a file that changed in between is not
// sealed but told. A crash leaves what was sealed and copies in staging, which the next import removes.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/anchoring.h"
#include "agent/work/interrupt.h"
#include "agent/work/past.h"
#include "agent/work/places.h"
#include "agent/work/session.h"
#include "agent/work/working_copy.h"

namespace impound::agent {

using evidence::EntryDraft;

namespace {

constexpr char const* staging = "staging/import";
constexpr std::size_t source_bytes_max = 1'000;
constexpr std::size_t batch_files_max = 1'000;
constexpr std::size_t listed_characters_max = 200;  // of a path in a list of an entry

struct ImportOptions {
  std::string path;
  std::string case_name;
  std::string source;
};

struct File {
  std::string path;  // beneath the folder that is open
  std::uint64_t size = 0;
};

struct LeftOut {
  std::string path;
  std::string why;
};

/// What lies at PATH, looked at without following a link.
struct Found {
  std::unique_ptr<LinuxDisk> folder;  // PATH itself, or the folder that the file lies in
  std::string path;                   // of the process, absolute
  std::string prefix;                 // in front of a file's path in its exhibit: a folder's own name
  std::vector<File> files{};
  std::vector<LeftOut> left_out{};
  std::uint64_t bytes = 0;
};

/// Everything that can be judged without the vault, judged.
struct Order {
  Settings settings;
  std::optional<CaseName> case_name;
  Found found;
};

Error too_many(std::string const& path, std::uint64_t files_max) {
  return Error{Code::refused, "there are more than " + std::to_string(files_max) + " files", path,
               "Import it in parts, or raise max_files under [torrents] in the settings"};
}

/// Files and what else there is are bounded alike, so that a tree of empty folders ends, too.
Result<void> walk(Found& found, std::uint64_t files_max) {
  std::uint64_t others = 0;
  std::vector<std::string> folders{""};
  while (!folders.empty()) {
    std::string const folder = std::move(folders.back());
    folders.pop_back();
    auto entries = found.folder->list(folder, 2 * files_max);
    if (!entries && entries.error().code == Code::refused) return too_many(found.path, files_max);
    if (!entries) {
      found.left_out.push_back({folder, entries.error().what});
      continue;
    }
    for (FolderEntry const& entry : entries.value()) {
      std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
      if (entry.type == FileFacts::Type::file) {
        if (found.files.size() == files_max) return too_many(found.path, files_max);
        auto const facts = found.folder->facts_of(path);
        if (facts)
          found.files.push_back({std::move(path), facts.value().size});
        else
          found.left_out.push_back({std::move(path), facts.error().what});
        continue;
      }
      if (++others > files_max) return too_many(found.path, files_max);
      if (entry.type == FileFacts::Type::folder)
        folders.push_back(std::move(path));
      else
        found.left_out.push_back({std::move(path), "neither file nor folder (links are not followed)"});
    }
  }
  return ok();
}

Result<Found> look_at(std::string path, std::uint64_t files_max) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0)
    return Error{Code::usage, "there is nothing to import", path, "Name a file or a folder"};
  if (!S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode))
    return Error{Code::usage, "this is neither a file nor a folder", path,
                 "Links, devices, pipes and sockets are not imported: name the file itself"};
  auto const real = real_path(path);
  if (!real) return from_errno(errno, "cannot look at", path);
  Found found;
  found.path = *real;
  FilePlace const place = file_place(found.path);
  bool const is_folder = S_ISDIR(facts.st_mode);
  IMPOUND_TRY(folder, LinuxDisk::open_at(is_folder ? found.path : place.folder));
  found.folder = std::move(folder);
  if (is_folder) {
    found.prefix = place.name.empty() ? "" : place.name + "/";
    IMPOUND_CHECK(walk(found, files_max));
  } else {
    found.files.push_back({place.name, static_cast<std::uint64_t>(facts.st_size)});
  }
  std::sort(found.files.begin(), found.files.end(), [](File const& a, File const& b) { return a.path < b.path; });
  for (File const& file : found.files) found.bytes += file.size;
  if (found.files.empty())
    return Error{Code::usage, "there is no file in this folder", found.path, "Name a file or a folder with files"};
  return found;
}

Result<Order> judge(ImportOptions const& options, CommonOptions const& common) {
  Order order;
  order.case_name = CaseName::parse(options.case_name);
  if (!order.case_name)
    return Error{Code::usage, "this is no name of a case", options.case_name,
                 "[a-z0-9][a-z0-9._-]*, at most 64 characters"};
  bool const blank = options.source.find_first_not_of(" \t\r\n") == std::string::npos;
  if (blank || options.source.size() > source_bytes_max || !is_utf8(options.source))
    return Error{Code::usage,
                 "--source must say who handed it over and from where, in at most " + std::to_string(source_bytes_max) +
                     " bytes of UTF-8",
                 {},
                 {}};
  IMPOUND_TRY(settings, effective_settings(common));
  std::string const vault = vault_folder(settings);
  if (is_beneath(options.path, vault) || is_beneath(vault, options.path))
    return Error{Code::usage, "a vault cannot import itself", options.path, "Name what lies outside of it"};
  IMPOUND_TRY(found, look_at(options.path, settings.torrent_files_max));
  order.settings = std::move(settings);
  order.found = std::move(found);
  return order;
}

class Import {
 public:
  Import(ImportOptions const& options, Order& order, Session& session, Invocation& invocation, Terminal& terminal)
      : options_(options),
        order_(order),
        found_(order.found),
        session_(session),
        interrupt_(invocation.interrupt),
        terminal_(terminal) {}

  Result<ExitCode> run() {
    IMPOUND_CHECK(check_room());
    IMPOUND_CHECK(clear_staging());  // of an import that a crash ended
    IMPOUND_TRY(imported, record_import());
    auto const sealed = seal_all(imported);
    terminal_.clear();
    // What was not sealed is told in the log, however the work ended.
    auto const told = tell_of_unsealed(imported, sealed ? std::nullopt : std::optional{sealed.error()});
    // A sealing plan that was cut short may still name what lies there; the next start carries it on.
    auto const cleared = plan_open_ ? Result<void>(ok()) : clear_staging();
    if (!sealed) return sealed.error();
    IMPOUND_CHECK(told);
    IMPOUND_CHECK(cleared);
    std::printf("imported  %s\nfiles     %zu of %zu, %s\n", imported.text().c_str(), files_sealed_,
                found_.files.size() + found_.left_out.size(), bytes_text(bytes_sealed_).c_str());
    return said_what_is_missing();
  }

 private:
  /// A clear error before anything is copied. A file system that shares extents would need less.
  Result<void> check_room() {
    auto const free = session_.disk().free_bytes();
    if (!free || free.value() >= found_.bytes + order_.settings.disk_reserve) return ok();
    return Error{Code::no_space,
                 "there is no room for " + bytes_text(found_.bytes) + ": the vault's disk has " +
                     bytes_text(free.value()) + " free, of which limits.disk_reserve keeps " +
                     bytes_text(order_.settings.disk_reserve),
                 found_.path, "Make room on the vault's disk, or import it in parts"};
  }

  /// Gone, or empty if something strange lies in it: only files are ever put there.
  Result<void> clear_staging() {
    auto const names = session_.disk().list(staging);
    if (!names && names.error().code == Code::not_found) return ok();
    if (!names) return names.error();
    for (FolderEntry const& entry : names.value())
      IMPOUND_CHECK(session_.disk().remove(std::string(staging) + "/" + entry.name));
    return session_.disk().remove_folder(staging);
  }

  Result<EntryId> record_import() {
    Json body{{"source", options_.source}, {"files", found_.files.size()}, {"bytes", json_number(found_.bytes)}};
    add_path(body, "path", found_.path);
    if (!found_.left_out.empty()) {
      Json paths = Json::array();
      for (LeftOut const& one : found_.left_out)
        if (paths.size() < entry_list_max) paths.push_back(shown(one.path, listed_characters_max));
      body["left_out"] = found_.left_out.size();
      body["left_out_paths"] = std::move(paths);
    }
    return session_.recorder().record(
        EntryDraft{"exhibit.imported", std::move(body), order_.case_name, {}, {}, who(order_.settings), {}});
  }

  Result<void> seal_all(EntryId const& imported) {
    IMPOUND_CHECK(session_.disk().make_folder(staging));
    std::span<File const> left{found_.files};
    while (!left.empty()) {
      auto const batch = left.first(std::min(batch_files_max, left.size()));
      auto done = seal_batch(imported, batch);
      if (!done) {
        if (done.error().code == Code::no_space) session_.disk_full("importing files");
        return std::move(done).error();
      }
      left = left.subspan(batch.size());
    }
    return ok();
  }

  Result<void> seal_batch(EntryId const& imported, std::span<File const> batch) {
    std::vector<evidence::ToSeal> staged;
    std::vector<File const*> of;
    for (File const& file : batch) {
      if (interrupt_.asked()) return Error{Code::cancelled, "interrupted", found_.path, {}};
      IMPOUND_TRY(arrival, stage(file));
      if (!arrival) continue;
      Json origin{{"type", "import"}};
      add_path(origin, "path", found_.prefix + file.path);
      EntryDraft draft{
          "exhibit.sealed", {{"role", "payload"}, {"origin", std::move(origin)}}, order_.case_name, imported, {}, {},
          session_.new_id()};
      staged.push_back({staged_path(), file.size, *arrival, std::move(draft)});
      of.push_back(&file);
      ++number_;
      terminal_.status("importing  " + std::to_string(files_sealed_ + staged.size()) + " of " +
                       std::to_string(found_.files.size()) + " files");
    }
    plan_open_ = true;
    IMPOUND_TRY(sealed, session_.sealing().seal(staged));
    plan_open_ = false;
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (sealed[i].refused) {
        unsealed_.push_back({of[i]->path, sealed[i].refused->what});
        continue;
      }
      ++files_sealed_;
      bytes_sealed_ += of[i]->size;
    }
    return ok();
  }

  std::string staged_path() const { return std::string(staging) + "/" + std::to_string(number_); }

  /// A copy of the file in staging, and the digest of the original; nothing when the original cannot be had whole.
  Result<std::optional<Sha256>> stage(File const& file) {
    std::optional<Sha256> const none;
    auto const not_taken = [&](std::string why) {
      unsealed_.push_back({file.path, std::move(why)});
      return none;
    };
    auto from = DiskFile::open(*found_.folder, file.path, Open::read);
    if (!from) return not_taken(from.error().what);
    IMPOUND_TRY(before, from.value().facts());
    if (before.type != FileFacts::Type::file) return not_taken("no longer a file");
    Stop const stop = [this] { return interrupt_.asked(); };
    IMPOUND_TRY(to, DiskFile::open(session_.disk(), staged_path(), Open::create));
    auto copied = copy_bytes(from.value(), to, file.size, block_, stop);
    if (!copied && copied.error().code != Code::io) return std::move(copied).error();
    auto hashed = evidence::hash_open_file(from.value(), file.size, block_, stop);
    if (!hashed && hashed.error().code != Code::io) return std::move(hashed).error();
    IMPOUND_TRY(after, from.value().facts());
    bool const same = hashed && before == after && before.size == file.size && hashed.value().size == file.size;
    if (copied && same) return std::optional{hashed.value().sha256};
    to.reset();
    IMPOUND_CHECK(session_.disk().remove(staged_path()));
    if (!copied) return not_taken(copied.error().what);
    return not_taken(hashed ? "it changed while it was read" : hashed.error().what);
  }

  /// One incident a file up to what a person would read, then their number.
  Result<void> tell_of_unsealed(EntryId const& imported, std::optional<Error> const& ended_by) {
    std::vector<Json> incidents;
    for (LeftOut const& one : unsealed_) {
      if (incidents.size() == entry_list_max) break;
      incidents.push_back({{"what", "a file of an import was not sealed"},
                           {"where", shown(one.path, 1000)},
                           {"detail", shown(one.why, 500)}});
    }
    if (unsealed_.size() > entry_list_max)
      incidents.push_back({{"what", "more files of an import were not sealed"},
                           {"detail", std::to_string(unsealed_.size()) + " in all"}});
    if (ended_by)
      incidents.push_back({{"what", "an import ended early"},
                           {"detail", std::to_string(files_sealed_) + " of " + std::to_string(found_.files.size()) +
                                          " files were sealed: " + shown(line(*ended_by), 500)}});
    for (Json& body : incidents)
      IMPOUND_CHECK(session_.recorder().record(
          EntryDraft{"incident.raised", std::move(body), order_.case_name, imported, {}, {}, {}}));
    return ok();
  }

  ExitCode said_what_is_missing() {
    std::vector<LeftOut> missing = found_.left_out;
    missing.insert(missing.end(), unsealed_.begin(), unsealed_.end());
    if (missing.empty()) return ExitCode::done;
    for (std::size_t i = 0; i < missing.size() && i < entry_list_max; ++i)
      terminal_.say("not imported  " + missing[i].path + ": " + missing[i].why);
    return tell(Error{Code::refused,
                      std::to_string(missing.size()) + " of " +
                          std::to_string(found_.files.size() + found_.left_out.size()) + " were not imported",
                      found_.path, "The log names them: impound log --json --case " + order_.case_name->text()});
  }

  ImportOptions const& options_;
  Order& order_;
  Found& found_;
  Session& session_;
  Interrupt& interrupt_;
  Terminal& terminal_;
  std::uint64_t number_ = 0;  // of the next file in staging
  std::size_t files_sealed_ = 0;
  std::uint64_t bytes_sealed_ = 0;
  std::vector<LeftOut> unsealed_;
  bool plan_open_ = false;
  std::vector<std::byte> block_ = std::vector<std::byte>(copy_block_bytes);
};

Result<ExitCode> run(ImportOptions const& options, Invocation& invocation) {
  IMPOUND_TRY(order, judge(options, invocation.common));
  auto session = Session::open(order.settings, "import", invocation.clock, invocation.randomness);
  if (!session) return with_init_hint(std::move(session).error(), order.settings);
  Terminal terminal{invocation.common.quiet};
  Import import{options, order, *session.value(), invocation, terminal};
  auto const code = import.run();
  bool const cut = !code && code.error().code == Code::cancelled;
  auto const closed = session.value()->close(code ? "done" : cut ? "signal" : "error");
  if (!code) return code;
  if (!closed) return closed.error();
  say_if_due(*session.value(), order.settings.timestamps, invocation.common.quiet, true);
  return code;
}

}  // namespace

void add_import(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<ImportOptions>();
  CommandLine command =
      program.command("import", "seals files that somebody handed over; the original stays", [options, &invocation] {
        invocation.chosen = [options, &invocation] {
          auto const code = run(*options, invocation);
          return code ? code.value() : tell(code.error());
        };
      });
  command.option("PATH", options->path, "a file, or a folder with all that lies in it", CommandLine::Need::required);
  command.option("--case", options->case_name, "the case that it belongs to", CommandLine::Need::required);
  command.option("--source", options->source, "who handed it over, and from where", CommandLine::Need::required);
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
