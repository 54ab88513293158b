#include "evidence/vault.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"

namespace impound::evidence {

namespace {

constexpr std::uint64_t vault_toml_bytes_max = 4 * 1024;
constexpr char const* vault_toml = "vault.toml";

/// Can stand between quotes in TOML as it is: printable ASCII without quote and backslash.
bool plain(std::string_view text) {
  if (text.empty() || text.size() > 1'000) return false;
  for (char c : text)
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
  return true;
}

Error malformed_toml(std::string what) {
  return Error{Code::malformed, std::move(what), vault_toml, "Restore vault.toml from a copy; it never changes."};
}

std::string command_of(std::string const& pid) {
  std::ifstream file("/proc/" + pid + "/cmdline", std::ios::binary);
  std::array<char, 400> bytes{};
  file.read(bytes.data(), bytes.size());
  std::string command(bytes.data(), static_cast<std::size_t>(file.gcount()));
  while (!command.empty() && command.back() == '\0') command.pop_back();
  for (char& c : command) {
    if (c == '\0') c = ' ';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  // The program by its name alone, as a person would type it.
  auto const end = std::min(command.find(' '), command.size());
  auto const slash = command.rfind('/', end);
  return slash == std::string::npos || slash > end ? command : command.substr(slash + 1);
}

/// The pid that holds a flock of `kind` on the folder, from /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 08:01:12345 0
/// EOF". The device there is the super block's, which on some file systems (btrfs) is not what fstat says: then a
/// single line with the same inode must do.
std::optional<std::string> holder_of(int folder, std::string_view kind) {
  struct stat facts {};
  if (::fstat(folder, &facts) != 0) return std::nullopt;
  std::array<char, 64> exact{};
  std::snprintf(exact.data(), exact.size(), "%02x:%02x:%lu", major(facts.st_dev), minor(facts.st_dev),
                static_cast<unsigned long>(facts.st_ino));
  std::string inode = ":";
  inode += std::to_string(facts.st_ino);
  std::ifstream locks("/proc/locks");
  std::optional<std::string> likely;
  int likely_count = 0;
  for (std::string text; std::getline(locks, text);) {
    std::istringstream words(text);
    std::string number, type, advisory, mode, pid, place;
    words >> number >> type >> advisory >> mode >> pid >> place;
    if (type != "FLOCK" || mode != kind) continue;
    if (place == exact.data()) return pid;
    if (place.ends_with(inode)) {
      likely = pid;
      ++likely_count;
    }
  }
  return likely_count == 1 ? likely : std::nullopt;
}

Error held(std::string const& path, int folder) {
  std::string what = "vault " + path + " is held by ";
  auto holder = holder_of(folder, "WRITE");
  if (!holder) holder = holder_of(folder, "READ");
  if (holder) {
    what += "pid " + *holder;
    if (std::string const command = command_of(*holder); !command.empty()) what += " (" + command + ")";
  } else {
    what += "another process";
  }
  return Error{Code::held, std::move(what), {}, holder ? "Wait, or stop it: kill " + *holder : "Wait, or stop it."};
}

}  // namespace

Result<VaultIdentity> VaultIdentity::make(std::string origin, std::string vkey, std::string created) {
  if (!plain(origin)) return Error{Code::usage, "the origin must be printable ASCII without quotes", origin, {}};
  if (!plain(vkey)) return Error{Code::usage, "the key's name must be printable ASCII without quotes", vkey, {}};
  if (!utc_us_from(created)) return Error{Code::usage, "not a time in UTC", created, {}};
  VaultIdentity identity{1, std::move(origin), std::move(vkey), std::move(created), {}};
  identity.toml =
      "# An impound vault. This file never changes: its SHA-256 is in entry 0 of the custody log.\nformat = 1\norigin "
      "= \"" +
      identity.origin + "\"\nvkey = \"" + identity.vkey + "\"\ncreated = \"" + identity.created + "\"\n";
  return identity;
}

Result<VaultIdentity> VaultIdentity::parse(std::string_view toml) {
  if (toml.size() > vault_toml_bytes_max) return malformed_toml("the file is larger than 4 KiB");
  toml::table table;
  try {  // Debian's library of toml++ is built with exceptions; they end here.
    table = toml::parse(toml);
  } catch (std::exception const& error) {
    return malformed_toml("not TOML: " + std::string(error.what()));
  }
  VaultIdentity identity;
  identity.toml = std::string(toml);
  std::array<std::pair<char const*, std::string*>, 3> const texts{
      {{"origin", &identity.origin}, {"vkey", &identity.vkey}, {"created", &identity.created}}};
  if (table.size() != texts.size() + 1) return malformed_toml("exactly format, origin, vkey and created must be there");
  if (auto const* const format = table["format"].as_integer(); format == nullptr || format->get() != 1)
    return malformed_toml("format is not 1: this program reads no other");
  for (auto const& [key, value] : texts) {
    auto const* const text = table[key].as_string();
    if (text == nullptr || !plain(text->get()))
      return malformed_toml(std::string(key) + " is missing or no plain text");
    *value = text->get();
  }
  if (!utc_us_from(identity.created)) return malformed_toml("created is no time in UTC");
  return identity;
}

Sha256 VaultIdentity::digest() const { return sha256(bytes_of(toml)); }

std::string VaultIdentity::short_name() const { return hex(digest()).substr(0, 16); }

Json VaultIdentity::created_body() const {
  return Json{{"format", format}, {"origin", origin}, {"vault_toml_sha256", hex(digest())}, {"vkey", vkey}};
}

Result<void> make_vault_folders(Disk& vault) {
  for (char const* folder : {"log", "objects", "warc", "timestamps", "staging", "log/checkpoints", "log/tile",
                             "staging/swarm", "staging/sealing", "staging/torn"})
    IMPOUND_CHECK(vault.make_folder(folder));
  for (int i = 0; i < 256; ++i) {
    std::byte const first[] = {static_cast<std::byte>(i)};
    IMPOUND_CHECK(vault.make_folder("objects/" + hex(Bytes{first})));
  }
  for (char const* folder : {"log", "objects", "staging", ""}) IMPOUND_CHECK(vault.sync_folder(folder));
  return ok();
}

Result<void> Vault::create(std::string const& path, VaultIdentity const& identity,
                           std::function<Result<void>(Disk&)> const& start_log) {
  bool const made = ::mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return from_errno(errno, "cannot make the vault's folder", path);
  IMPOUND_TRY(disk, LinuxDisk::open_at(path));
  if (made) {
    auto const slash = path.find_last_not_of('/') == std::string::npos ? std::string::npos
                                                                       : path.rfind('/', path.find_last_not_of('/'));
    std::string const parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    IMPOUND_TRY(above, LinuxDisk::open_at(parent));
    IMPOUND_CHECK(above->sync_folder(""));
  }
  if (::flock(disk->folder(), LOCK_EX | LOCK_NB) != 0) return held(path, disk->folder());
  IMPOUND_TRY(there, disk->list("", 10'000));
  std::erase_if(there, [](FolderEntry const& entry) { return entry.name == "lost+found"; });
  if (!there.empty())
    return Error{Code::exists, "the folder is not empty: " + there.front().name, path,
                 "Name a new folder for the vault."};
  IMPOUND_CHECK(make_vault_folders(*disk));
  if (start_log) IMPOUND_CHECK(start_log(*disk));
  // From here on it is a vault.
  return write_whole(*disk, vault_toml, bytes_of(identity.toml), Replace::no);
}

Result<std::unique_ptr<Vault>> Vault::open(std::string const& path) {
  IMPOUND_TRY(disk, LinuxDisk::open_at(path));
  auto toml = read_whole(*disk, vault_toml, vault_toml_bytes_max);
  if (!toml && toml.error().code == Code::not_found)
    return Error{Code::not_found, "this folder is no vault: it has no vault.toml", path,
                 "Make one: impound init --vault DIR --origin NAME"};
  if (!toml) return std::move(toml).error();
  IMPOUND_TRY(identity, VaultIdentity::parse(toml.value()));
  return std::unique_ptr<Vault>(new Vault(path, std::move(disk), std::move(identity)));
}

Result<std::unique_ptr<Vault>> Vault::open_for_writing(std::string const& path) {
  IMPOUND_TRY(vault, open(path));
  // A reader that asks held_by_writer() holds a shared lock for an instant; that must not look like a holder.
  constexpr int tries = 20;
  for (int i = 0; i < tries; ++i) {
    if (::flock(vault->disk_->folder(), LOCK_EX | LOCK_NB) == 0) {
      vault->writer_ = true;
      return vault;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) return from_errno(errno, "cannot lock the vault", path);
    if (holder_of(vault->disk_->folder(), "WRITE")) break;
    ::usleep(2'000);
  }
  return held(path, vault->disk_->folder());
}

Result<std::unique_ptr<Vault>> Vault::open_for_reading(std::string const& path) { return open(path); }

bool Vault::held_by_writer() const {
  if (writer_) return false;
  int const folder = disk_->folder();
  if (::flock(folder, LOCK_SH | LOCK_NB) != 0) return true;
  ::flock(folder, LOCK_UN);
  return false;
}

std::string object_path(Sha256 const& digest) {
  std::string const name = hex(digest);
  return "objects/" + name.substr(0, 2) + "/" + name;
}

}  // namespace impound::evidence
