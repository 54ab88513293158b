// impound verify: holds the whole vault against its log, and the log against its signature and what others kept of it.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

#include "agent/commands/command.h"
#include "agent/service/terminal.h"
#include "agent/work/interrupt.h"
#include "agent/work/session.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/signed_note.h"
#include "evidence/verify/vault_check.h"

namespace impound::agent {

using evidence::Verdict;

namespace {

constexpr int newer_after_ms = 5'500;  // beside a running service: a checkpoint at least 5 s newer

struct VerifyCommand {
  std::string vault;
  std::string vkey;
  std::vector<std::string> checkpoints;
  bool log_only = false;
  bool json = false;
};

Result<std::string> read_note(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.str().size() > 1024 * 1024) return Error{Code::usage, "cannot read the checkpoint", path, {}};
  return text.str();
}

void print(Verdict const& verdict, std::string const& vault) {
  auto const number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("vault       %s\n", vault.c_str());
  if (verdict.checkpoint_size > 0)
    std::printf("log         %llu entries, root %s, signed\n", number(verdict.entries),
                base64(Bytes{verdict.checkpoint_root.bytes}).c_str());
  std::printf("exhibits    %llu, in %llu objects hashed again\n", number(verdict.exhibits), number(verdict.objects));
  std::printf("captures    %llu, in %llu WARC records hashed again\n", number(verdict.captures),
              number(verdict.records));
  std::printf("bytes       %llu\n", number(verdict.bytes));
  for (std::string const& note : verdict.notes) std::printf("note        %s\n", note.c_str());
  for (std::string const& left : verdict.not_checked) std::printf("not checked %s\n", left.c_str());
  for (evidence::Problem const& problem : verdict.problems)
    std::printf("PROBLEM     %s  %s  %s\n", std::string(word(problem.what)).c_str(), problem.where.c_str(),
                problem.detail.c_str());
  std::uint64_t const all = verdict.problems.size() + verdict.problems_not_listed;
  if (verdict.ok())
    std::printf("OK          nothing was changed, removed, added or reordered in what the log vouches for\n");
  else
    std::printf("FAILED      %llu problem%s\n", number(all), all == 1 ? "" : "s");
}

Result<bool> verify(VerifyCommand const& asked, Invocation& invocation) {
  if (!asked.vault.empty()) invocation.common.vault = asked.vault;
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  evidence::VerifyOptions options;
  if (!asked.vkey.empty() && !NoteKey::from_vkey(asked.vkey))
    return Error{Code::usage, "this is no vkey", asked.vkey, "It is the line that `init` printed: NAME+HASH+KEY"};
  for (std::string const& path : asked.checkpoints) {
    IMPOUND_TRY(note, read_note(path));
    options.old_checkpoints.push_back(std::move(note));
  }
  std::string const folder = vault_folder(settings);
  auto disk = LinuxDisk::open_at(folder);
  if (!disk) return with_init_hint(std::move(disk).error(), settings);
  options.log_only = asked.log_only;
  if (!asked.vkey.empty()) options.vkey = asked.vkey;

  // A vault whose vault.toml cannot be read is the verifier's to judge; only then is there no memory to compare with.
  std::unique_ptr<LinuxDisk> state;
  if (auto vault = evidence::Vault::open_for_reading(folder)) {
    options.held_by_writer = vault.value()->held_by_writer();
    if (auto opened = LinuxDisk::open_at(state_folder(vault.value()->identity()))) state = std::move(opened).value();
  } else if (vault.error().code == Code::not_found && !disk.value()->facts_of("log")) {
    return with_init_hint(std::move(vault).error(), settings);
  }
  options.state = state.get();
  options.wait_for_newer = [&] {
    pollfd waiting{invocation.interrupt.descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, newer_after_ms);
  };
  Terminal terminal{invocation.common.quiet || asked.json};
  std::uint64_t hashed = 0;
  options.progress = [&](std::uint64_t bytes) {
    hashed += bytes;
    terminal.status("verifying  " + bytes_text(hashed));
  };
  Verdict verdict = evidence::verify_vault(*disk.value(), options);
  terminal.clear();
  if (!state)
    verdict.not_checked.push_back(
        "whether the vault was rolled back: the memory beside it is not here, and only kept checkpoints (--checkpoint) "
        "could tell");
  if (asked.json)
    std::printf("%s\n", verdict.to_json().dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    print(verdict, folder);
  return verdict.ok();
}

}  // namespace

void add_verify(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<VerifyCommand>();
  CommandLine command =
      program.command("verify", "checks every byte of a vault against its log, and the log against its signature",
                      [options, &invocation] {
                        invocation.chosen = [options, &invocation] {
                          auto const verdict = verify(*options, invocation);
                          if (!verdict) return tell(verdict.error());
                          return verdict.value() ? ExitCode::done : ExitCode::failed;
                        };
                      });
  command.option("VAULT", options->vault, "the vault's folder");
  command.option("--vkey,--key", options->vkey,
                 "the log's public key as `init` printed it; without it the vault's own is trusted");
  command.repeated("--checkpoint", options->checkpoints,
                   "a checkpoint somebody kept: the log must have grown from it; repeatable");
  command.flag("--log-only", options->log_only, "only the log: no object and no WARC file is read");
  command.flag("--json", options->json, "one object with the verdict");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
