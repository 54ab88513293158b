// Where the signing key and its passphrase come from: the settings, or systemd's credentials. Both files must be the
// user's own and nobody else's to read; a credential is systemd's to guard. Nothing of what they hold is ever logged.
//
//     key          [vault] key, else $CREDENTIALS_DIRECTORY/impound-key, else the default place
//     passphrase   [vault] passphrase_file, $CREDENTIALS_DIRECTORY/impound-passphrase: the first line of the file
#pragma once

#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "evidence/signing_key.h"
#include "evidence/system/secret_memory.h"
#include "evidence/vault.h"

namespace impound::agent {

struct KeyPlace {
  std::string file;
  evidence::SecretFileRule rule;
};

/// Where a vault's key lies when nothing names it.
std::string default_key_file(evidence::VaultIdentity const& identity);

/// The key's file and who may read it: this user alone, or systemd's business.
KeyPlace key_place(std::string const& file);
/// The file that the settings or a credential name; "" when none does.
std::string named_key_file(Settings const& settings);

/// The first line of a passphrase's file. Code::usage when it is not there or empty, Code::refused when others may read
/// it.
Result<SecretText> read_passphrase(std::string const& path);

/// All that there are, in the order to try: `also` (a flag's; may be ""), the settings', the credential.
Result<std::vector<SecretText>> passphrases(Settings const& settings, std::string const& also = {});

}  // namespace impound::agent
