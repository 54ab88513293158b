#include "agent/work/keys.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "agent/work/places.h"

namespace impound::agent {

namespace {

constexpr std::size_t passphrase_file_bytes_max = 1023;

/// "" when systemd has handed nothing over.
std::string credentials_folder() {
  char const* const folder = std::getenv("CREDENTIALS_DIRECTORY");
  return folder != nullptr && *folder == '/' ? folder : "";
}

/// The credential's path when there is one of this name.
std::string credential(char const* name) {
  std::string const folder = credentials_folder();
  if (folder.empty()) return {};
  std::string const path = folder + "/" + name;
  return ::access(path.c_str(), F_OK) == 0 ? path : "";
}

evidence::SecretFileRule rule_for(std::string const& path) {
  std::string const folder = credentials_folder();
  if (!folder.empty() && path.starts_with(folder + "/")) return {.owner = std::nullopt, .credential = true};
  return {.owner = ::geteuid(), .credential = false};
}

}  // namespace

std::string default_key_file(evidence::VaultIdentity const& identity) {
  return user_folder("XDG_CONFIG_HOME", ".config") + "/impound/keys/" + identity.short_name() + ".pem";
}

KeyPlace key_place(std::string const& file) { return {file, rule_for(file)}; }

std::string named_key_file(Settings const& settings) {
  return settings.key_file.empty() ? credential("impound-key") : settings.key_file;
}

Result<SecretText> read_passphrase(std::string const& path) {
  FilePlace const place = file_place(path);
  auto const read = [&]() -> Result<SecretText> {
    IMPOUND_TRY(folder, LinuxDisk::open_at(place.folder));
    IMPOUND_CHECK(evidence::check_secret_file(*folder, place.name, rule_for(path), "passphrase file"));
    return read_secret(*folder, place.name, passphrase_file_bytes_max);
  };
  auto text = read();
  if (!text)
    return Error{text.error().code == Code::not_found ? Code::usage : text.error().code, text.error().what, path,
                 text.error().hint.empty()
                     ? "It must be a file of yours, mode 0600, with the passphrase in its first line."
                     : text.error().hint};
  std::string_view const all = text.value().text();
  std::size_t end = std::min(all.find('\n'), all.size());
  if (end > 0 && end < all.size() && all[end - 1] == '\r') --end;
  if (end == 0) return Error{Code::usage, "the first line of the passphrase file is empty", path, {}};
  text.value().shorten(end);
  return text;
}

Result<std::vector<SecretText>> passphrases(Settings const& settings, std::string const& also) {
  std::vector<SecretText> found;
  for (std::string const& path : {also, settings.passphrase_file, credential("impound-passphrase")}) {
    if (path.empty()) continue;
    IMPOUND_TRY(text, read_passphrase(path));
    found.push_back(std::move(text));
  }
  return found;
}

}  // namespace impound::agent
