// The vault: one folder that holds everything acquired, and who may write to it.
//
// A vault is made once and is whole or is not one: vault.toml is written last, after every folder and the log's first
// entry, so a crash on the way leaves a folder that no command takes for a vault. Writers hold an exclusive flock on
// the folder itself for as long as the Vault object lives; the kernel drops it with the process, however that ends.
// Readers take no lock and are told whether a writer is at work. Who holds a vault is looked up in /proc/locks (device
// and inode), so that the error names a pid and its command. Any one thread at a time; errors: Code::held, not_found,
// malformed (vault.toml), exists (a folder that is not empty), and what the disk says.
//
//     vault.toml            format, origin, vkey, created: never changed, its SHA-256 is in entry 0
//     log/                  checkpoint, checkpoints/, tile/       (evidence/custody_log.h)
//     objects/<hh>/<sha256> bytes as acquired                     (evidence/sealing.h)
//     warc/                 captures                              (evidence/warc/writer.h)
//     timestamps/           tokens over checkpoints
//     staging/              swarm/ sealing/ torn/: never evidence
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "evidence/formats/canonical_json.h"
#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct VaultIdentity {
  int format = 1;
  std::string origin;   // the log's name, the first line of every checkpoint
  std::string vkey;     // the log's public key as a signed note names it
  std::string created;  // UTC, as utc_text writes it
  std::string toml;     // vault.toml to the byte

  /// A new identity, its `toml` written out. Code::usage when a value cannot stand in vault.toml.
  static Result<VaultIdentity> make(std::string origin, std::string vkey, std::string created);
  /// Reads vault.toml strictly: exactly the four keys, format 1, nothing empty, at most 4 KiB.
  static Result<VaultIdentity> parse(std::string_view toml);

  Sha256 digest() const;           // of `toml`
  std::string short_name() const;  // the first 16 hex digits of it: the name of STATE's folder and of the key
  /// The body of entry 0, vault.created: {"format","origin","vault_toml_sha256","vkey"}.
  Json created_body() const;
};

class Vault {
 public:
  /// Makes the folder when it is missing; one that is there must be empty. `start_log` is called when the folders are
  /// there and before vault.toml is: the place to write the log's first entry, and the only way to do so atomically.
  static Result<void> create(std::string const& path, VaultIdentity const& identity,
                             std::function<Result<void>(Disk&)> const& start_log = {});
  /// Takes the lock. Code::held names the holder: "vault X is held by pid N (impound watch …)".
  static Result<std::unique_ptr<Vault>> open_for_writing(std::string const& path);
  static Result<std::unique_ptr<Vault>> open_for_reading(std::string const& path);

  LinuxDisk& disk() { return *disk_; }
  VaultIdentity const& identity() const { return identity_; }
  std::string const& path() const { return path_; }
  /// Whether another process holds the vault for writing at this moment.
  bool held_by_writer() const;

 private:
  Vault(std::string path, std::unique_ptr<LinuxDisk> disk, VaultIdentity identity)
      : path_(std::move(path)), disk_(std::move(disk)), identity_(std::move(identity)) {}
  static Result<std::unique_ptr<Vault>> open(std::string const& path);

  std::string path_;
  std::unique_ptr<LinuxDisk> disk_;
  VaultIdentity identity_;
  bool writer_ = false;
};

/// "objects/<hh>/<sha256>".
std::string object_path(Sha256 const& digest);

/// The folders of a vault. All 256 of objects/ are made with the vault: a batch then never makes one, so what sealing
/// costs is the same on the first day and on the last, and `verify` knows every folder that may be there.
Result<void> make_vault_folders(Disk& vault);

}  // namespace impound::evidence
