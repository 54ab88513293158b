// impound checkout: a read-only working copy of exhibits under their original names; that it was made is logged.
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/handed_out.h"
#include "agent/work/holder.h"
#include "agent/work/interrupt.h"
#include "agent/work/past.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "agent/work/target.h"
#include "agent/work/working_copy.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::ReadEntry;

namespace {

struct CheckoutOptions {
  std::string what;
  std::string folder;
};

/// What WHAT names.
struct Wanted {
  std::optional<EntryId> id;
  std::optional<InfoHashes> torrent;
};

/// The entry that is copied, with what there is of it.
struct Subject {
  EntryId id;
  std::string kind;
  std::optional<CaseName> case_name;
  std::vector<ToCopy> files{};
  std::string state = "waiting";  // of an acquisition
  std::size_t erased = 0;         // files that went by order
};

/// Exhibits that never had a name get one by what they are.
std::string own_name(Sha256 const& digest, std::string_view role) {
  std::string const name = hex(digest);
  if (role == "torrent" || role == "torrent_file") return name + ".torrent";
  if (role == "info_dict") return name + ".info";
  if (role == "file_list") return name + ".jsonl";
  if (role == "swarm_record") return name + ".cbor-seq";
  if (role == "settings") return name + ".toml";
  return name;
}

std::string original_name(Json const& origin) {
  if (auto const bytes = from_hex(text_field(origin, "path_hex").value_or("")); bytes && !bytes->empty())
    return std::string(text_of(*bytes));
  return text_field(origin, "path").value_or("");
}

std::optional<ToCopy> copy_of(ReadEntry const& exhibit) {
  auto const digest = digest_from_hex<Sha256>(exhibit.text("sha256").value_or(""));
  auto const size = exhibit.number("size");
  if (!digest || !size) return std::nullopt;
  Json const& body = exhibit.body();
  std::string name = body.contains("origin") ? original_name(body["origin"]) : std::string();
  bool const original = !name.empty();
  if (!original) name = own_name(*digest, text_field(body, "role").value_or(""));
  return ToCopy{std::move(name), original, *digest, *size};
}

/// Finds in the log what is asked for; entries come in its order, so an exhibit comes after all that it refers to.
class Search {
 public:
  explicit Search(Wanted wanted) : wanted_(std::move(wanted)) {}

  void take(ReadEntry const& entry) {
    if (wanted_.id) take_by_id(entry);
    if (wanted_.torrent) take_torrent(entry);
    if (entry.kind() == "exhibit.erased") take_erasure(entry);
    if (entry.kind() == "exhibit.sealed") {
      take_exhibit(entry);
    } else if (entry.kind() == "acquisition.result" && entry.of()) {
      if (Subject* const subject = find(entry.of()))
        subject->state = text_field(entry.body(), "state").value_or("failed");
    }
  }

  /// Of several acquisitions the complete one, else the one with most files, else the newest.
  Subject const* best() const {
    auto const rank = [](Subject const& one) { return std::pair{one.state == "complete", one.files.size()}; };
    Subject const* best = nullptr;
    for (Subject const& one : subjects_)
      if (best == nullptr || rank(one) >= rank(*best)) best = &one;
    return best;
  }

 private:
  Subject* find(std::optional<EntryId> const& id) {
    if (!id) return nullptr;
    auto const found = places_.find(*id);
    return found == places_.end() ? nullptr : &subjects_[found->second];
  }

  void add(ReadEntry const& entry, EntryId const& id, std::string kind) {
    if (!places_.try_emplace(id, subjects_.size()).second) return;
    subjects_.push_back({id, std::move(kind), entry.case_name()});
  }

  void take_by_id(ReadEntry const& entry) {
    if (entry.id() == *wanted_.id) add(entry, entry.id(), entry.kind());
    // A capture's exhibits name its result; its attempt means the same capture.
    if (entry.kind() == "capture.result")
      if (auto const attempt = entry.of(); attempt && places_.contains(*attempt))
        places_.emplace(entry.id(), places_.at(*attempt));
  }

  void take_torrent(ReadEntry const& entry) {
    if (auto const id = acquisition_of(entry, *wanted_.torrent)) add(entry, *id, "acquisition.attempt");
  }

  void take_exhibit(ReadEntry const& entry) {
    Json const& body = entry.body();
    auto const capture = body.contains("origin") ? text_field(body["origin"], "capture") : std::nullopt;
    Subject* subject = find(entry.id());
    if (subject == nullptr) subject = find(entry.of());
    if (subject == nullptr) subject = find(entry.cause());
    if (subject == nullptr && capture) subject = find(EntryId::parse(*capture));
    if (subject == nullptr) return;
    // Of an acquisition the files that it was made for; its metadata and lists are exhibits of their own.
    if (subject->kind == "acquisition.attempt" && text_field(body, "role") != "payload") return;
    if (auto file = copy_of(entry)) subject->files.push_back(std::move(*file));
  }

  /// Every exhibit of an object goes with it; one that is sealed again comes later in the log.
  void take_erasure(ReadEntry const& entry) {
    auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or(""));
    for (Subject& subject : subjects_)
      subject.erased += std::erase_if(subject.files, [&](auto const& file) { return file.sha256 == digest; });
  }

  Wanted wanted_;
  std::vector<Subject> subjects_;
  std::map<EntryId, std::size_t> places_;
};

Result<Subject> subject_of(CheckoutOptions const& options, Wanted const& wanted, Settings const& settings) {
  IMPOUND_TRY(reading, VaultReading::open(settings));
  Search search{wanted};
  IMPOUND_CHECK(reading.each(0, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    search.take(entry);
    return ok();
  }));
  Subject const* const best = search.best();
  if (best == nullptr)
    return Error{Code::not_found, "the vault's log does not name this", options.what.substr(0, 120),
                 "`impound log` prints what there is"};
  if (best->files.empty() && best->erased > 0)
    return Error{Code::not_found, "what belonged to this entry was erased by order", best->id.text(),
                 "impound log --kind exhibit.erased"};
  if (best->files.empty())
    return Error{Code::not_found, "no exhibit to copy belongs to this entry (" + best->kind + ")", best->id.text(),
                 "Name an exhibit, an acquisition, an import, a capture that became exhibits, or an info-hash"};
  return *best;
}

/// Everything that can be judged without the vault, judged.
struct Order {
  Wanted wanted;
  Settings settings;
  std::string folder;
};

Result<Order> judge(CheckoutOptions const& options, CommonOptions const& common) {
  Order order;
  std::string const& what = options.what;
  order.wanted.id = EntryId::parse(what);
  if (!order.wanted.id) order.wanted.torrent = named_torrent(what);
  if (!order.wanted.id && !order.wanted.torrent)
    return Error{Code::usage, "no id of an entry and no info-hash", what.substr(0, 120),
                 "`impound log` prints what there is"};
  IMPOUND_TRY(settings, effective_settings(common));
  IMPOUND_TRY(folder, place_for_copy(options.folder));
  if (is_beneath(folder, vault_folder(settings)))
    return Error{Code::usage, "a working copy must not lie in the vault", folder, "Name a folder outside of it"};
  order.settings = std::move(settings);
  order.folder = std::move(folder);
  return order;
}

/// Bytes copied.
Result<std::uint64_t> copy_out(Order const& order, Subject const& subject, LinuxDisk& vault, Invocation& invocation,
                               std::function<Result<void>(CopyOrder const& made)> const& log_it) {
  Terminal terminal{invocation.common.quiet};
  IMPOUND_TRY(copy, WorkingCopy::begin(order.folder));
  std::uint64_t bytes = 0;
  IMPOUND_CHECK(copy.copy(
      vault, subject.files, [&] { return invocation.interrupt.asked(); },
      [&](std::size_t files, std::uint64_t so_far) {
        bytes = so_far;
        terminal.status("copying  " + std::to_string(files) + " of " + std::to_string(subject.files.size()) +
                        " files, " + bytes_text(so_far));
      }));
  terminal.clear();
  IMPOUND_CHECK(log_it({subject.id.text(), order.folder, subject.files.size(), bytes}));
  // Beyond this line the copy is logged, and stays.
  copy.keep();
  if (subject.erased > 0) terminal.say(std::to_string(subject.erased) + " file(s) of it were erased by order");
  if (subject.kind == "acquisition.attempt" && subject.state != "complete")
    terminal.say("this acquisition is not complete (" + subject.state + "): what is sealed of it was copied");
  return bytes;
}

/// Beside the process that holds the vault, which is known to answer before anything is copied, and logs the copy.
Result<std::uint64_t> copy_beside_holder(Order const& order, Subject const& subject, Error const& held,
                                         Invocation& invocation) {
  IMPOUND_TRY(line, reach_holder(order.settings, {"checkout", invocation.common.quiet}, held));
  IMPOUND_TRY(reading, VaultReading::open(order.settings));
  return copy_out(order, subject, reading.vault->disk(), invocation, [&](CopyOrder const& made) -> Result<void> {
    IMPOUND_CHECK(line.send(made));
    Terminal terminal{invocation.common.quiet};
    IMPOUND_CHECK(line.finish(terminal, -1));
    return ok();
  });
}

Result<void> run(CheckoutOptions const& options, Invocation& invocation) {
  IMPOUND_TRY(order, judge(options, invocation.common));
  IMPOUND_TRY(subject, subject_of(options, order.wanted, order.settings));
  // The entry about the copy needs the vault's holder; opened first, so that no copy is made that nobody logs.
  auto session = Session::open(order.settings, "checkout", invocation.clock, invocation.randomness);
  Result<std::uint64_t> bytes{0};
  if (session) {
    bytes = copy_out(
        order, subject, session.value()->vault().disk(), invocation, [&](CopyOrder const& made) -> Result<void> {
          IMPOUND_CHECK(session.value()->recorder().record(copied(made, subject.case_name, who(order.settings))));
          return ok();
        });
    auto const closed = session.value()->close(bytes                                   ? "done"
                                               : bytes.error().code == Code::cancelled ? "signal"
                                                                                       : "error");
    if (bytes) IMPOUND_CHECK(closed);
  } else if (session.error().code == Code::held) {
    bytes = copy_beside_holder(order, subject, session.error(), invocation);
  } else {
    return with_init_hint(std::move(session).error(), order.settings);
  }
  if (!bytes) return std::move(bytes).error();
  std::printf("copied  %zu files, %s\nto      %s\n", subject.files.size(), bytes_text(bytes.value()).c_str(),
              shown(order.folder, 1000).c_str());
  return ok();
}

}  // namespace

void add_checkout(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<CheckoutOptions>();
  CommandLine command = program.command("checkout", "writes a read-only working copy under the original names; logged",
                                        [options, &invocation] {
                                          invocation.chosen = [options, &invocation] {
                                            if (auto done = run(*options, invocation); !done) return tell(done.error());
                                            return ExitCode::done;
                                          };
                                        });
  command.option("WHAT", options->what, "info-hash, or id of an exhibit, an acquisition, an import or a capture",
                 CommandLine::Need::required);
  command.option("DIR", options->folder, "a new or empty folder, outside the vault", CommandLine::Need::required);
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
