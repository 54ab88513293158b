// impound key: the log's signing key handed on to a new one, and the public keys that the log has had.
#include <cstdio>
#include <memory>
#include <vector>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/work/keys.h"
#include "agent/work/reading.h"
#include "agent/work/session.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/key_rotation.h"

namespace impound::agent {

namespace {

struct KeyCommand {
  std::string passphrase_file;
  std::string reason;
  bool json = false;
};

/// A public key of the log, and the entries between which it signs.
struct SigningSpan {
  std::string vkey;
  std::uint64_t from = 0;
  std::string since;  // UTC of the entry
};

Result<void> show(KeyCommand const& asked, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  IMPOUND_TRY(reading, VaultReading::open(settings));
  IMPOUND_TRY(first, NoteKey::from_vkey(reading.vault->identity().vkey));
  evidence::KeyChain chain(first);
  std::vector<SigningSpan> spans{{first.vkey(), 0, reading.vault->identity().created}};
  IMPOUND_CHECK(reading.each(0, [&](evidence::ReadEntry const& entry, std::string_view bytes) -> Result<void> {
    if (chain.take(entry.index, bytes)) spans.push_back({chain.newest().vkey(), entry.index, entry.utc()});
    return ok();
  }));
  for (std::size_t i = spans.size(); i-- > 0;) {
    SigningSpan const& span = spans[i];
    bool const current = i + 1 == spans.size();
    if (asked.json) {
      Json json{{"vkey", span.vkey}, {"from_entry", span.from}, {"utc", span.since}, {"current", current}};
      if (!current) json["retired_at_entry"] = spans[i + 1].from;
      print_json(json);
      continue;
    }
    std::string const end = current ? "signs now" : "retired at entry " + std::to_string(spans[i + 1].from);
    std::printf("%s  since entry %llu, %s; %s\n", span.vkey.c_str(), static_cast<unsigned long long>(span.from),
                span.since.c_str(), end.c_str());
  }
  return ok();
}

Result<void> rotate(KeyCommand const& asked, Invocation& invocation) {
  if (asked.reason.size() > evidence::rotation_reason_bytes_max || !is_utf8(asked.reason))
    return Error{Code::usage, "a reason is text in UTF-8 of at most 500 bytes", "--reason", {}};
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  // Judged before the vault is opened: the new key's passphrase, else the one that is used already.
  IMPOUND_TRY(known, passphrases(settings, asked.passphrase_file));
  auto opened = Session::open(settings, "key", invocation.clock, invocation.randomness, {}, asked.passphrase_file);
  if (!opened) return with_init_hint(std::move(opened).error(), settings);
  Session& session = *opened.value();
  std::string const before = session.vkey();
  bool const finished = session.rotation_finished();
  SecretText const* const passphrase = known.empty() ? nullptr : &known.front();
  auto const note = finished ? Result<std::string>("") : session.rotate_key(passphrase, asked.reason, who(settings));
  auto const closed = session.close(note ? "done" : "error");
  if (!note) return note.error();
  IMPOUND_CHECK(closed);
  if (finished)
    std::printf("finished  the rotation that was cut short; no other was begun\n");
  else
    std::printf("retired  %s\n", before.c_str());
  std::printf("vkey     %s\n", session.vkey().c_str());
  std::printf("Give the vkey line to those who shall verify; with the retired one `verify` follows the rotation.\n");
  if (!note.value().empty())
    std::printf("A checkpoint that both keys have signed, to keep with it:\n\n%s\n", note.value().c_str());
  if (!asked.passphrase_file.empty() && settings.passphrase_file != asked.passphrase_file)
    std::printf("The new key's passphrase is another: set [vault] passphrase_file = \"%s\"\n",
                asked.passphrase_file.c_str());
  return ok();
}

}  // namespace

void add_key(ProgramLine& program, Invocation& invocation) {
  auto const asked = std::make_shared<KeyCommand>();
  program.group("key", "the log's signing key: its public keys so far, or a new one in its place");
  auto const does = [asked, &invocation](Result<void> (*what)(KeyCommand const&, Invocation&)) {
    return [asked, &invocation, what] {
      invocation.chosen = [asked, &invocation, what] {
        auto const done = what(*asked, invocation);
        return done ? ExitCode::done : tell(done.error());
      };
    };
  };
  CommandLine shown = program.command("key", "show", "the log's public keys, newest first", does(show));
  shown.flag("--json", asked->json, "an object a line");
  add_common_options(shown, invocation.common);

  CommandLine rotated = program.command("key", "rotate", "hands the log on to a new key, signed by both", does(rotate));
  rotated.option("--passphrase-file", asked->passphrase_file,
                 "encrypts the new key with the first line of this file (else with the passphrase in use)");
  rotated.option("--reason", asked->reason, "why, as the log shall say it, at most 500 bytes");
  add_common_options(rotated, invocation.common);
}

}  // namespace impound::agent
