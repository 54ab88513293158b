// A disk in memory, and what is sealed on it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/sealing.h"
#include "evidence/vault.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {

struct Desk {
  SimulatedDisk disk;
  FakeClock clock;
  SeededRandomness randomness{5};
  std::vector<EntryDraft> entries;
  int pauses = 0;

  Desk() {
    REQUIRE(make_vault_folders(disk));
    disk.put_folder("staging/swarm/a");
  }
  RecordEntries record() {
    return [this](std::vector<EntryDraft> drafts) -> Result<void> {
      entries.insert(entries.end(), drafts.begin(), drafts.end());
      return ok();
    };
  }
  Sealing sealing(SealingLimits limits = {}) {
    return Sealing(
        disk, SimulatedDisk::owner, record(), [this] { ++pauses; }, limits);
  }
  ToSeal file(std::string const& name, std::string_view bytes) {
    std::string const path = "staging/swarm/a/" + name;
    disk.put_file(path, bytes);
    return {path, bytes.size(), {}, draft()};
  }
  EntryDraft draft() {
    return {.kind = "exhibit.sealed", .body = {{"path", "x"}}, .id = EntryId::make(clock, randomness)};
  }
  bool clean() { return disk.list("staging/sealing", 10).value().empty() && disk.accusations().empty(); }
};

inline std::string object_of(std::string_view bytes) { return object_path(sha256(bytes_of(bytes))); }

/// As a caller hashes it under a lease; `sha256` is what it says, which need not be so.
inline std::shared_ptr<HashedFile> hashed_by_caller(Disk& disk, std::string const& path, Sha256 const& sha256) {
  auto hashed = std::make_shared<HashedFile>();
  hashed->file = DiskFile::open(disk, path, Open::read).value();
  hashed->facts = hashed->file.facts().value();
  hashed->sha256 = sha256;
  CHECK(disk.take_lease(hashed->file.handle()).value() == Lease::taken);
  return hashed;
}

}  // namespace impound::evidence
