// impound init: a new vault with its own key, its log's first entry, and the memory beside it.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "agent/commands/command.h"
#include "agent/work/keys.h"
#include "agent/work/places.h"
#include "agent/work/session.h"
#include "evidence/formats/hex.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"
#include "evidence/values/utc_time.h"

namespace impound::agent {

using evidence::SigningKey;

namespace {

struct InitOptions {
  std::string origin;
  std::string authority;
  std::string key;
  std::string passphrase_file;
};

/// A key in the folder of keys under a name that is changed once the vault's own name is known; or the --key file.
struct NewKey {
  std::unique_ptr<LinuxDisk> folder;
  std::string name;
  std::optional<SigningKey> key;
};

Result<NewKey> key_for(std::string const& file, std::vector<SecretText> const& passphrases, Randomness& randomness) {
  NewKey made;
  std::string folder = user_folder("XDG_CONFIG_HOME", ".config") + "/impound/keys";
  if (file.empty()) {
    std::array<std::byte, 8> random{};
    randomness.fill(random);
    made.name = "new-" + hex(random) + ".pem";
  } else {
    FilePlace const place = file_place(file);
    folder = place.folder;
    made.name = place.name;
  }
  IMPOUND_CHECK(make_process_folder(folder));
  IMPOUND_TRY(disk, LinuxDisk::open_at(folder));
  made.folder = std::move(disk);
  SecretText const* const passphrase = passphrases.empty() ? nullptr : &passphrases.front();
  if (!file.empty() && made.folder->facts_of(made.name)) {
    auto key = SigningKey::load(*made.folder, made.name, key_place(file).rule, passphrase);
    if (!key) return Error{key.error().code, key.error().what, file, key.error().hint};
    if (passphrase != nullptr && SigningKey::load(*made.folder, made.name, key_place(file).rule, nullptr))
      return Error{Code::usage, "this key is not encrypted, and a passphrase is named for it", file,
                   "Leave the passphrase out, or encrypt it first: openssl pkey -in KEY -aes256 -out NEW"};
    made.key.emplace(std::move(key).value());
    return made;
  }
  made.key.emplace(SigningKey::make(randomness));
  IMPOUND_CHECK(made.key->write_new(*made.folder, made.name, randomness, passphrase));
  return made;
}

Result<void> init(InitOptions const& options, Invocation& invocation) {
  IMPOUND_TRY(settings, effective_settings(invocation.common));
  std::string const folder = vault_folder(settings);
  if (::access((folder + "/vault.toml").c_str(), F_OK) == 0)
    return Error{Code::usage, "there is a vault already", folder, "Name another folder with --vault"};
  // The folders above the default place are made; a path that somebody wrote may hold a mistake, so those above it are
  // not.
  if (settings.vault.empty()) IMPOUND_CHECK(make_process_folder(file_place(folder).folder));
  std::string const key_file = options.key.empty() ? named_key_file(settings) : options.key;
  IMPOUND_TRY(known, passphrases(settings, options.passphrase_file));
  IMPOUND_TRY(key, key_for(key_file, known, invocation.randomness));
  IMPOUND_TRY(identity, evidence::VaultIdentity::make(options.origin, key.key->vkey(options.origin),
                                                      utc_text(invocation.clock.utc_us())));
  std::string const state = state_folder(identity);
  IMPOUND_CHECK(make_process_folder(state));
  IMPOUND_TRY(state_disk, LinuxDisk::open_at(state));
  if (key_file.empty()) {
    std::string const name = identity.short_name() + ".pem";
    IMPOUND_CHECK(key.folder->rename(key.name, name, Replace::no));
    IMPOUND_CHECK(key.folder->sync_folder(""));
    key.name = name;
  }
  Json body = identity.created_body();
  std::string const authority = options.authority.empty() ? settings.authority : options.authority;
  if (!authority.empty()) body["authority"] = authority;
  evidence::EntryMaker maker{invocation.clock, invocation.randomness};
  EntryId const id = EntryId::make(invocation.clock, invocation.randomness);
  maker.session(id);
  IMPOUND_TRY(first, maker.make(evidence::EntryDraft{"vault.created", std::move(body), {}, {}, {}, who(settings), id}));
  auto made = evidence::Vault::create(folder, identity, [&](Disk& vault) -> Result<void> {
    IMPOUND_CHECK(evidence::CustodyLog::create(vault, *state_disk, *key.key, identity.origin, first.bytes));
    return ok();
  });
  if (!made) {
    if (key_file.empty()) (void)key.folder->remove(key.name);  // no vault, so nothing was signed with it
    return std::move(made).error();
  }
  std::printf("vault   %s\nkey     %s\nmemory  %s\nvkey    %s\n", folder.c_str(),
              key_file.empty() ? default_key_file(identity).c_str() : key_file.c_str(), state.c_str(),
              identity.vkey.c_str());
  std::printf("Give the vkey line to those who shall verify; keep key and memory out of the vault's backup.\n");
  if (!options.passphrase_file.empty() && settings.passphrase_file != options.passphrase_file)
    std::printf("The key is encrypted: name its passphrase in the settings, [vault] passphrase_file = \"%s\"\n",
                options.passphrase_file.c_str());
  return ok();
}

}  // namespace

void add_init(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<InitOptions>();
  CommandLine command =
      program.command("init", "makes a vault: its folder, its key, the first entry of its log", [options, &invocation] {
        invocation.chosen = [options, &invocation] {
          if (auto done = init(*options, invocation); !done) return tell(done.error());
          return ExitCode::done;
        };
      });
  command.option("--origin", options->origin, "the log's name, e.g. lab.example/emleaks; stands in every checkpoint",
                 CommandLine::Need::required);
  command.option("--authority", options->authority, "on whose order evidence is kept here; goes into the first entry");
  command.option("--key", options->key, "the private key's file; made when it is not there");
  command.option("--passphrase-file", options->passphrase_file,
                 "encrypts the key with the first line of this file, which must be yours alone (0600)");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
