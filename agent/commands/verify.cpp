// impound verify: holds the whole vault against its log, and the log against its signature and what others kept of it;
// or one entry's proof against the log's key.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/interrupt.h"
#include "agent/work/past.h"
#include "agent/work/session.h"
#include "evidence/custody_entry.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/signed_note.h"
#include "evidence/timestamps/rfc3161.h"
#include "evidence/tlog_proof.h"
#include "evidence/verify/vault_check.h"

namespace impound::agent {

using evidence::Verdict;

namespace {

constexpr int newer_after_ms = 5'500;  // beside a running service: a checkpoint at least 5 s newer

constexpr char const* vkey_hint = "It is the line that `init` printed: NAME+HASH+KEY";

struct VerifyCommand {
  std::string vault;
  std::string vkey;
  std::vector<std::string> checkpoints;
  std::vector<std::string> tsa_roots;
  bool log_only = false;
  bool record = false;
  bool json = false;
};

/// At most `bytes_max` of a file that the command line names.
Result<std::string> read_named(std::string const& path, std::size_t bytes_max, char const* what) {
  std::ifstream in(path, std::ios::binary);
  std::string text(bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (!in.eof() || text.empty() || text.size() > bytes_max)
    return Error{Code::usage, std::string("cannot read the ") + what, path, {}};
  return text;
}

Result<NoteKey> given_key(std::string const& vkey) {
  auto key = NoteKey::from_vkey(vkey);
  if (!key) return Error{Code::usage, "this is no vkey", vkey, vkey_hint};
  return key;
}

/// What both kinds of verification end with; `held` is what an OK says.
void print_findings(Verdict const& verdict, char const* held) {
  for (std::string const& note : verdict.notes) std::printf("note        %s\n", note.c_str());
  for (evidence::Erased const& hole : verdict.erased)
    std::printf("erased      %s  by entry %llu\n", hole.where.c_str(), static_cast<unsigned long long>(hole.by_entry));
  if (verdict.erased_not_listed > 0)
    std::printf("erased      %llu more\n", static_cast<unsigned long long>(verdict.erased_not_listed));
  for (std::string const& left : verdict.not_checked) std::printf("not checked %s\n", left.c_str());
  for (evidence::Problem const& problem : verdict.problems)
    std::printf("PROBLEM     %s  %s  %s\n", std::string(word(problem.what)).c_str(), problem.where.c_str(),
                problem.detail.c_str());
  std::uint64_t const all = verdict.problems.size() + verdict.problems_not_listed;
  if (verdict.ok())
    std::printf("OK          %s\n", held);
  else
    std::printf("FAILED      %llu problem%s\n", static_cast<unsigned long long>(all), all == 1 ? "" : "s");
}

void print(Verdict const& verdict, std::string const& vault) {
  auto const number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("vault       %s\n", vault.c_str());
  if (verdict.checkpoint_size > 0)
    std::printf("log         %llu of %llu entries, root %s\n", number(verdict.entries), number(verdict.checkpoint_size),
                base64(Bytes{verdict.checkpoint_root.bytes}).c_str());
  std::printf("exhibits    %llu, %llu of %llu objects hashed again\n", number(verdict.exhibits),
              number(verdict.objects), number(verdict.objects_named));
  std::printf("captures    %llu, %llu of %llu WARC records hashed again\n", number(verdict.captures),
              number(verdict.records), number(verdict.records_named));
  std::printf("timestamps  %llu good\n", number(verdict.timestamps));
  std::printf("bytes       %llu\n", number(verdict.bytes));
  print_findings(verdict, "nothing was changed, removed, added or reordered in what the log vouches for");
}

/// What vault.verified says: the counts, the first problems, and the digest of the whole verdict as --json prints it.
Json verified_body(Verdict const& verdict, VerifyCommand const& asked) {
  Json const json = verdict.to_json();
  Json problems = Json::array();
  for (evidence::Problem const& problem : verdict.problems)
    if (problems.size() < entry_list_max)
      problems.push_back({{"what", evidence::word(problem.what)}, {"where", shown(problem.where, 300)}});
  Json body{{"ok", verdict.ok()},
            {"key", asked.vkey.empty() ? "vault" : "given"},
            {"log_only", asked.log_only},
            {"old_checkpoints", asked.checkpoints.size()},
            {"problems", verdict.problems.size() + verdict.problems_not_listed},
            {"verdict_sha256", hex(sha256(bytes_of(json_line(json))))}};
  if (verdict.checkpoint_size > 0) body["checkpoint"] = json["checkpoint"];
  for (char const* counted :
       {"entries", "exhibits", "objects", "objects_named", "captures", "records", "records_named"})
    body[counted] = json[counted];
  body["bytes"] = json_number(verdict.bytes);
  if (!problems.empty()) body["first_problems"] = std::move(problems);
  return body;
}

/// Afterwards, because opening a session repairs what a crash left: the verdict is on the vault as it was found.
Result<void> record(Verdict const& verdict, VerifyCommand const& asked, Settings const& settings,
                    Invocation& invocation) {
  IMPOUND_TRY(session, Session::open(settings, "verify", invocation.clock, invocation.randomness));
  auto const recorded = session->recorder().record(
      evidence::EntryDraft{"vault.verified", verified_body(verdict, asked), {}, {}, {}, who(settings), {}});
  auto const closed = session->close(recorded ? "done" : "error");
  if (!recorded) return recorded.error();
  return closed;
}

Result<bool> verify(VerifyCommand const& asked, Invocation& invocation) {
  if (!asked.vault.empty()) invocation.common.vault = asked.vault;
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  evidence::VerifyOptions options;
  if (!asked.vkey.empty()) {
    IMPOUND_CHECK(given_key(asked.vkey));
    options.vkey = asked.vkey;
  }
  for (std::string const& path : asked.checkpoints) {
    IMPOUND_TRY(note, read_named(path, note_bytes_max, "checkpoint"));
    options.old_checkpoints.push_back(std::move(note));
  }
  for (std::string const& path : asked.tsa_roots) {
    IMPOUND_TRY(pem, read_named(path, evidence::roots_pem_bytes_max, "root certificates"));
    if (auto roots = evidence::TrustedRoots::from_pem(pem); !roots)
      return Error{Code::usage, roots.error().what, path, "--tsa-ca takes the authority's root certificate as PEM"};
    options.tsa_roots_pem.push_back(std::move(pem));
  }
  std::string const folder = vault_folder(settings);
  auto disk = LinuxDisk::open_at(folder);
  if (!disk) return with_init_hint(std::move(disk).error(), settings);
  options.log_only = asked.log_only;

  // A vault whose vault.toml cannot be read is the verifier's to judge; only then is there no memory to compare with.
  std::unique_ptr<LinuxDisk> state;
  if (auto vault = evidence::Vault::open_for_reading(folder)) {
    options.held_by_writer = vault.value()->held_by_writer();
    if (auto opened = LinuxDisk::open_at(state_folder(vault.value()->identity()))) state = std::move(opened).value();
  } else if (vault.error().code == Code::not_found && !disk.value()->facts_of("log")) {
    return with_init_hint(std::move(vault).error(), settings);
  }
  // Judged before hours of hashing, not after them.
  if (asked.record && options.held_by_writer)
    return Error{Code::held, "the vault is in use, and a verdict is recorded by its writer alone", folder,
                 "Stop the agent first, or verify without --record"};
  options.state = state.get();
  options.wait_for_newer = [&] {
    pollfd waiting{invocation.interrupt.descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, newer_after_ms);
  };
  Terminal terminal{invocation.common.quiet || ::isatty(STDERR_FILENO) != 1};
  std::uint64_t hashed = 0;
  options.progress = [&](std::uint64_t bytes, std::uint64_t all) {
    hashed += bytes;
    terminal.status("verifying  " + bytes_text(hashed) + " of " + bytes_text(all) + ", " +
                    std::to_string(all == 0 ? 100 : hashed * 100 / all) + " %");
  };
  options.cancelled = [&] { return invocation.interrupt.asked(); };
  Verdict verdict = evidence::verify_vault(*disk.value(), options);
  terminal.clear();
  if (verdict.interrupted)
    return Error{Code::cancelled, "interrupted: nothing is said of the vault", folder, "Verify again, to its end"};
  if (!state)
    verdict.not_checked.push_back(
        "whether the vault was rolled back: the memory beside it is not here, and only kept checkpoints (--checkpoint) "
        "could tell");
  if (asked.json)
    print_json(verdict.to_json());
  else
    print(verdict, folder);
  if (asked.record) IMPOUND_CHECK(record(verdict, asked, settings, invocation));
  return verdict.ok();
}

/// The verdict on a proof's text; `entry` gets what it proves.
Verdict judge_proof(std::string const& text, std::string const& name, NoteKey const& key, Json& entry) {
  Verdict verdict;
  verdict.not_checked.emplace_back("the rest of the log, and whether another history was signed beside this one");
  auto const proof = evidence::read_tlog_proof(text);
  if (!proof) {
    verdict.add(evidence::What::malformed, name, line(proof.error()));
    return verdict;
  }
  std::string const where = "entry " + std::to_string(proof.value().index);
  auto const checkpoint = evidence::judge_tlog_proof(proof.value(), key);
  if (!checkpoint) {
    bool const other_bytes = checkpoint.error().code == Code::damaged;
    verdict.add(other_bytes ? evidence::What::altered : evidence::What::unsigned_, other_bytes ? where : name,
                line(checkpoint.error()));
    return verdict;
  }
  verdict.entries = 1;
  verdict.checkpoint_size = checkpoint.value().size;
  verdict.checkpoint_root = as_node(checkpoint.value().root);
  if (auto read = evidence::read_entry(proof.value().index, proof.value().entry))
    entry = std::move(read).value().json;
  else
    verdict.add(evidence::What::malformed, where, line(read.error()));
  return verdict;
}

/// A .tlog-proof, alone with the key: no vault, no network.
Result<bool> verify_proof(VerifyCommand const& asked) {
  if (asked.vkey.empty()) return Error{Code::usage, "a proof is judged by the log's key", "--vkey", vkey_hint};
  IMPOUND_TRY(key, given_key(asked.vkey));
  if (!asked.checkpoints.empty() || !asked.tsa_roots.empty() || asked.log_only || asked.record)
    return Error{Code::usage, "a proof is checked against its own checkpoint only", asked.vault,
                 "--checkpoint, --tsa-ca, --log-only and --record belong to a vault"};
  IMPOUND_TRY(text, read_named(asked.vault, evidence::tlog_proof_bytes_max, "proof"));
  Json entry;
  Verdict const verdict = judge_proof(text, asked.vault, key, entry);
  if (asked.json) {
    Json json = verdict.to_json();
    if (verdict.ok()) json["entry"] = entry;
    print_json(json);
    return verdict.ok();
  }
  std::printf("proof       %s\n", asked.vault.c_str());
  if (verdict.ok())
    std::printf("log         1 of %llu entries, root %s, signed\n%s\n",
                static_cast<unsigned long long>(verdict.checkpoint_size),
                base64(Bytes{verdict.checkpoint_root.bytes}).c_str(),
                entry.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  print_findings(verdict, "the log has this entry");
  return verdict.ok();
}

bool names_a_file(std::string const& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
}

}  // namespace

void add_verify(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<VerifyCommand>();
  CommandLine command = program.command(
      "verify", "checks every byte of a vault against its log, and the log against its signature",
      [options, &invocation] {
        invocation.chosen = [options, &invocation] {
          auto const verdict = names_a_file(options->vault) ? verify_proof(*options) : verify(*options, invocation);
          if (!verdict) return tell(verdict.error());
          return verdict.value() ? ExitCode::done : ExitCode::failed;
        };
      });
  command.option("VAULT", options->vault, "the vault's folder, or a .tlog-proof, which needs --vkey and nothing else");
  command.option("--vkey,--key", options->vkey,
                 "the log's public key as `init` printed it; without it the vault's own is trusted");
  command.repeated("--checkpoint", options->checkpoints,
                   "a checkpoint somebody kept: the log must have grown from it; repeatable");
  command.repeated(
      "--tsa-ca", options->tsa_roots,
      "root certificates (PEM) of time-stamping authorities; without them those kept in the vault; repeatable");
  command.flag("--log-only", options->log_only, "only the log: no object and no WARC file is read");
  command.flag("--record", options->record, "writes the verdict into the log as vault.verified; needs the log's key");
  command.flag("--json", options->json, "one object with the verdict");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
