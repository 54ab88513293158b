// impound export --log: the custody log as one file for others' tools, and an entry that says so.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/addresses.h"
#include "agent/work/anchoring.h"
#include "agent/work/handed_out.h"
#include "agent/work/holder.h"
#include "agent/work/interrupt.h"
#include "agent/work/places.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::ReadEntry;

namespace {

struct ExportOptions {
  std::string log;
  std::string case_name;
  std::string output;
};

/// Where the export goes: a new file (written whole, then renamed into place) or stdout.
class Output {
 public:
  /// Judges the place; nothing is written yet.
  static Result<Output> at(std::string const& path) {
    Output output;
    if (path.empty()) return output;
    FilePlace const place = file_place(path);
    output.name_ = place.name;
    IMPOUND_TRY(folder, LinuxDisk::open_at(place.folder));
    if (folder->facts_of(output.name_))
      return Error{Code::usage, "the file is there already", path,
                   "Name a new one with --output; an export never overwrites"};
    output.folder_ = std::move(folder);
    return output;
  }
  Result<void> begin() {
    if (!folder_) return ok();
    IMPOUND_TRY(file, DiskFile::open(*folder_, name_ + ".part", Open::create));
    file_ = std::move(file);
    return ok();
  }
  Result<void> add(std::string const& text) {
    digest_.add(bytes_of(text));
    std::uint64_t const at = size_;
    size_ += text.size();
    if (folder_) return file_.write(at, bytes_of(text));
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
      return from_errno(errno, "cannot write", "stdout");
    return ok();
  }
  /// Durable, and not in its place yet: that follows its entry in the log.
  Result<void> settle() {
    if (!folder_) return ok();
    IMPOUND_CHECK(file_.sync());
    file_.reset();
    return ok();
  }
  Result<void> put_in_place() {
    if (!folder_) return ok();
    IMPOUND_CHECK(folder_->rename(name_ + ".part", name_, Replace::no));
    return folder_->sync_folder("");
  }
  void give_up() {
    if (folder_) (void)folder_->remove(name_ + ".part");
  }
  std::string digest() { return hex(digest_.finish()); }
  std::uint64_t size() const { return size_; }

 private:
  std::unique_ptr<LinuxDisk> folder_;
  std::string name_;
  DiskFile file_;
  Sha256Stream digest_;
  std::uint64_t size_ = 0;
};

/// RFC 4180: quoted when it must be. A text that a spreadsheet would take for a formula gets a ' in front.
std::string cell(std::string text) {
  if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos)
    text.insert(text.begin(), '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_line(ReadEntry const& entry, std::string_view bytes) {
  auto const optional_id = [](std::optional<EntryId> const& id) { return id ? id->text() : std::string(); };
  return std::to_string(entry.index) + "," + cell(entry.utc()) + "," + cell(entry.kind()) + "," + entry.id().text() +
         "," + cell(entry.case_name() ? entry.case_name()->text() : "") + "," + optional_id(entry.cause()) + "," +
         optional_id(entry.of()) + "," + cell(std::string(bytes)) + "\r\n";
}

Result<std::uint64_t> write_entries(ExportOptions const& options, VaultReading& reading, Output& output) {
  bool const csv = options.log == "csv";
  if (csv) IMPOUND_CHECK(output.add("index,utc,kind,id,case,cause,of,entry\r\n"));
  std::uint64_t entries = 0;
  IMPOUND_CHECK(reading.each(0, [&](ReadEntry const& entry, std::string_view bytes) -> Result<void> {
    if (!options.case_name.empty() && (!entry.case_name() || entry.case_name()->text() != options.case_name))
      return ok();
    ++entries;
    return output.add(csv ? csv_line(entry, bytes)
                          : "{\"index\":" + std::to_string(entry.index) + ",\"entry\":" + std::string(bytes) + "}\n");
  }));
  return entries;
}

/// Written whole, or not at all, beside its place: how many entries.
Result<std::uint64_t> write_out(ExportOptions const& options, Settings const& settings, Output& output) {
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_CHECK(output.begin());
  auto entries = write_entries(options, reading, output);
  if (entries) {
    if (auto settled = output.settle(); !settled) entries = std::move(settled).error();
  }
  if (!entries) output.give_up();
  return entries;
}

/// What is in the log gets its place; what is not leaves no file.
Result<void> placed(Output& output, Result<void> logged) {
  if (logged) return output.put_in_place();
  output.give_up();
  return logged;
}

/// Another process holds the vault: it is known to answer before anything is written, and logs the export.
Result<void> export_beside_holder(ExportOptions const& options, Settings const& settings, Output& output,
                                  Error const& held, Invocation& invocation) {
  int const interrupt = invocation.interrupt.descriptor();
  Ordering const ordering{"export", invocation.common.quiet, false, interrupt};
  Terminal terminal{invocation.common.quiet};
  IMPOUND_TRY(line, reach_holder(settings, ordering, held));
  IMPOUND_TRY(entries, write_out(options, settings, output));
  Result<void> logged = line.send(ExportOrder{options.log, options.case_name, output.digest(), entries, output.size()});
  if (logged)
    if (auto const done = line.finish(terminal, -1); !done) logged = done.error();
  return placed(output, std::move(logged));
}

Result<void> run(ExportOptions const& options, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(policy, address_policy(settings.allow_net));
  IMPOUND_TRY(authorities, timestamp_authorities(settings.timestamps));
  IMPOUND_TRY(routes, Routes::of(settings));
  IMPOUND_TRY(output, Output::at(options.output));
  // The entry about the export needs the vault's holder; opened first, so that nothing is written that nobody logs.
  auto session = Session::open(settings, "export", invocation.clock, invocation.randomness);
  if (!session && session.error().code == Code::held)
    return export_beside_holder(options, settings, output, session.error(), invocation);
  if (!session) return with_init_hint(std::move(session).error(), settings);
  bool cut = false;
  if (Anchoring anchoring{*session.value(), settings, std::move(authorities), policy, routes}; anchoring.configured()) {
    // What is handed on has its timestamp before it leaves, if that can be had.
    anchoring.want(true);
    auto const standing = anchoring.wait(timestamp_wait, invocation.interrupt.descriptor());
    if (!standing.anchored) Terminal{invocation.common.quiet}.say(text(standing));
    cut = invocation.interrupt.asked();
  }
  if (cut) {
    IMPOUND_CHECK(session.value()->close("signal"));
    return Error{Code::cancelled, "interrupted before anything was exported", options.output, {}};
  }
  IMPOUND_TRY(entries, write_out(options, settings, output));
  ExportOrder const made{options.log, options.case_name, output.digest(), entries, output.size()};
  auto const entry =
      session.value()->recorder().record(exported(made, CaseName::parse(options.case_name), who(settings)));
  IMPOUND_CHECK(placed(output, entry ? ok() : Result<void>{entry.error()}));
  return session.value()->close("done");
}

}  // namespace

void add_export(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<ExportOptions>();
  CommandLine command =
      program.command("export", "writes the custody log to a file for other tools; the export itself is logged",
                      [options, &invocation] {
                        invocation.chosen = [options, &invocation] {
                          if (!options->case_name.empty() && !CaseName::parse(options->case_name))
                            return tell(Error{Code::usage, "this is no name of a case", options->case_name,
                                              "[a-z0-9][a-z0-9._-]*, at most 64 characters"});
                          if (auto done = run(*options, invocation); !done) return tell(done.error());
                          return ExitCode::done;
                        };
                      });
  command.choice("--log", options->log, "jsonl or csv", {"jsonl", "csv"}, CommandLine::Need::required);
  command.option("--case", options->case_name, "only entries made under this case");
  command.option("--output", options->output, "a new file; without it the log goes to stdout");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
